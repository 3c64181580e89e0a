/* How effects outside the ledger are undone: one handler per kind, gathered by mlo_undo_handlers
 * (workspace.h). */
#ifndef MLOPSCTL_CMD_UNDO_H
#define MLOPSCTL_CMD_UNDO_H

#include <mlopsctl/ledger.h>

struct mlo_workspace;

/* Kind "file": a file written for the user (export -o). target: absolute path; after: "sha256:..." of its
 * content. */
#define MLO_EFFECT_FILE "file"
struct mlo_undo_handler mlo_undo_file_handler(struct mlo_workspace *ws);
/* Kind "folder": an unpacked bundle. target: absolute path; after: the manifest's "sha256:...". */
#define MLO_EFFECT_FOLDER "folder"
struct mlo_undo_handler mlo_undo_folder_handler(struct mlo_workspace *ws);
/* Kind "remote-ref": a ref on a remote. target: "<url>#<name>:<tag>"; before and after: the ref's text. */
#define MLO_EFFECT_REMOTE_REF "remote-ref"
struct mlo_undo_handler mlo_undo_remote_handler(struct mlo_workspace *ws);

#endif
