/* How effects outside the ledger are undone: one handler per kind, gathered by mlo_undo_handlers
 * (workspace.h). */
#ifndef MLOPSCTL_CMD_UNDO_H
#define MLOPSCTL_CMD_UNDO_H

#include <mlopsctl/ledger.h>
#include <mlopsctl/runpod.h>

struct mlo_workspace;

/* Kind "file": a file written for the user (export -o). target: absolute path; before (NULL: there was none)
 * and after: "sha256:..." of its content. Before is undone only while the store has it. */
#define MLO_EFFECT_FILE     "file"
#define MLO_EFFECT_FILE_MAX ((size_t)64 << 20)
/* Writes such a file as an effect of the run; what it held goes to the store first. */
int mlo_file_replace(struct mlo_workspace *ws, const char *path, const char *text, size_t n,
                     struct mlo_err *err) MLO_MUST_CHECK;
struct mlo_undo_handler mlo_undo_file_handler(struct mlo_workspace *ws);
/* Kind "folder": an unpacked bundle. target: absolute path; after: the manifest's "sha256:...". */
#define MLO_EFFECT_FOLDER "folder"
struct mlo_undo_handler mlo_undo_folder_handler(struct mlo_workspace *ws);
/* Kind "remote-ref": a ref on a remote. target: "<address>#<name>:<tag>"; before and after: the ref's text.
 */
#define MLO_EFFECT_REMOTE_REF "remote-ref"
struct mlo_undo_handler mlo_undo_remote_handler(struct mlo_workspace *ws);
/* Kind "remote-name": an entry of `remotes` in a settings file. target: "<path>#<name>"; before and after:
 * its keys as a JSON object, before also the section as it was written (remote/add.c). */
#define MLO_EFFECT_REMOTE_NAME "remote-name"
struct mlo_undo_handler mlo_undo_remote_name_handler(struct mlo_workspace *ws);
/* Kind "settings-section": the section `validate` of a settings file. target: the file's path; before and
 * after: its lines, NULL for none. */
#define MLO_EFFECT_SECTION "settings-section"
struct mlo_undo_handler mlo_undo_section_handler(struct mlo_workspace *ws);
/* Kinds "runpod-endpoint", "runpod-volume", ...: something made or removed at RunPod (runpod/change.h). */
struct mlo_undo_handler mlo_undo_runpod_handler(struct mlo_workspace *ws, enum mlo_runpod_family family);
/* Kinds "runpod-pod", "runpod-pod-state" and "runpod-pod-lease": pod_record.h. */
struct mlo_undo_handler mlo_undo_pod_handler(struct mlo_workspace *ws);
struct mlo_undo_handler mlo_undo_pod_state_handler(struct mlo_workspace *ws);
struct mlo_undo_handler mlo_undo_pod_lease_handler(struct mlo_workspace *ws);
/* Kind "runpod-endpoint-member": target "<id>.<member>"; before and after: the update that says it
 * (mlo_runpod_endpoint_member) as text. */
#define MLO_EFFECT_ENDPOINT_MEMBER "runpod-endpoint-member"
struct mlo_undo_handler mlo_undo_endpoint_handler(struct mlo_workspace *ws);
int mlo_endpoint_member_text(const struct mlo_runpod_endpoint *e, const char *member, char **ret,
                             struct mlo_err *err) MLO_MUST_CHECK;

#endif
