# mlopsctl: build, install, tests. `make help` lists the targets.
#
# Knobs (make KNOB=value):
#   CC=gcc|clang          compiler (default gcc)
#   SANITIZE=address,undefined   instrumented build in a folder of its own
#   CUDA=auto|yes|no      GPU plugin: when nvcc is found, always, never
#   WERROR=1              warnings are errors (the tests' setting)
#   V=1                   show commands
#   BUILD=DIR             where objects go (default build/<compiler>[-<sanitizers>])
#   PREFIX=/usr/local DESTDIR=   where `make install` puts things
#   CFLAGS, CPPFLAGS, LDFLAGS    added to what the build needs

ifeq ($(origin CC),default)
CC := gcc
endif
VERSION  := 0.1.0
PREFIX   ?= /usr/local
CUDA     ?= auto
SANITIZE ?=
CFLAGS   ?= -O2 -g
PKG_CONFIG ?= pkg-config

comma := ,
BUILD ?= build/$(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

# Linked: what nearly every command needs. Others are opened at run time (src/bundle/libarchive.c,
# src/git/libgit2.c, src/net/libcurl.c), so a command that needs none of them starts without them.
LINKED := libcrypto sqlite3 libcjson yaml-0.1 zlib expat
OPENED := libarchive libgit2 libcurl libzstd snappy liblz4 libpcre2-8

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wvla -Wundef -Wformat=2 -Wno-format-nonliteral -Wno-missing-field-initializers -Wswitch-enum -Wimplicit-fallthrough
ifneq ($(findstring clang,$(CC)),clang)
WARN += -Wjump-misses-init -Wlogical-op
endif
ALL_CPPFLAGS := -D_GNU_SOURCE -DMLO_VERSION='"$(VERSION)"' -Iinclude -iquote src $(shell $(PKG_CONFIG) --cflags $(LINKED) $(OPENED) 2>/dev/null) $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 -pthread -fvisibility=hidden $(WARN) $(if $(WERROR),-Werror) $(CFLAGS) \
              $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_LDFLAGS := -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(LINKED) 2>/dev/null) -lm -ldl

MODULE_SRC := $(sort $(wildcard src/*/*.c src/*/*/*.c))
LIB_SRC := $(filter-out src/cmd/%,$(MODULE_SRC))
CMD_SRC := $(sort $(wildcard src/cmd/*.c src/cmd/*/*.c))
LIB := $(BUILD)/libmlo.a
CMDLIB := $(BUILD)/libcmd.a
BIN := $(BUILD)/mlopsctl
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(sort $(wildcard tests/tools/*.c)))
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# The GPU plugin is compiled by nvcc, once, whatever CC is, and put beside each program.
NVCC := $(if $(filter no,$(CUDA)),,$(shell command -v nvcc 2>/dev/null))
ifeq ($(CUDA)$(NVCC),yes)
$(error CUDA=yes, but there is no nvcc)
endif
NVFLAGS := -std=c++20 -O2 -Iinclude -shared -cudart static -gencode=arch=compute_80,code=sm_80 \
           -gencode='arch=compute_90,code=[sm_90,compute_90]' -Xlinker --exclude-libs,ALL \
           -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra $(if $(WERROR),-Werror all-warnings)
PLUGIN := $(if $(NVCC),$(BUILD)/mlopsctl-cuda.so)

.DEFAULT_GOAL := all
.PHONY: all features units fuzzers tools gpu-kit install dist clean help check check-gpu demo bench-peers bench-drift bench-gate man format fuzz

all: $(BIN) $(PLUGIN) features

$(BIN): $(call obj,src/main.c) $(CMDLIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

$(LIB): $(call obj,$(LIB_SRC))
$(CMDLIB): $(call obj,$(CMD_SRC))
$(LIB) $(CMDLIB):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# No multiplication and addition become one rounding where the machine could: statistics and models give the same on all.
$(call obj,$(wildcard $(patsubst %,src/%/*.c,stats drift drift/* table table/* infer infer/* booster) src/backend/cpu/int8*.c)): ALL_CFLAGS += -ffp-contract=off

# Checks of undefined behaviour in code that is inlined whole into vector loops cost compilers minutes (clang: even the plain loops); gcc's
# build of the plain loops has them.
UNCHECKED := $(filter-out $(if $(findstring clang,$(CC)),,%_plain.c),$(wildcard src/backend/cpu/vector_*.c))
$(call obj,$(UNCHECKED)): ALL_CFLAGS += $(if $(SANITIZE),-fno-sanitize=undefined)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# A change of compiler or flags rebuilds everything.
FLAGS_NOW := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(BUILD)/flags: .FORCE
	$(Q)mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' >$@
.PHONY: .FORCE

units: $(UNIT)
tools: $(TOOLS)
fuzzers: $(FUZZ)
# Unit tests wrap the allocator so that they can make it fail (tests/unit/tap.h).
WRAP := $(foreach f,malloc calloc realloc aligned_alloc strdup strndup,-Wl$(comma)--wrap=$(f))
# With a device that is this CPU.
$(patsubst %,$(BUILD)/unit/test_%,infer_offload infer_offload_bytes infer_offload_packed infer_booster bench_device): $(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o \
  $(call obj,tests/unit/tap.c tests/fakes/device.c) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(LDLIBS)
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(call obj,tests/unit/tap.c tests/unit/http_server.c) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(LDLIBS)
# Those of commands: what a command file offers to others of its folder.
$(BUILD)/unit/test_cmd_%: $(BUILD)/obj/tests/unit/test_cmd_%.o $(call obj,tests/unit/tap.c tests/unit/http_server.c) $(CMDLIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(LDLIBS)
$(BUILD)/tools/%: $(BUILD)/obj/tests/tools/%.o $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tools/turns: $(BUILD)/obj/tests/tools/turns.o $(CMDLIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
# Fuzz targets: with FUZZ_ENGINE=-fsanitize=fuzzer (clang) a fuzzer, else a program that replays files (tests/fuzz/replay.c).
FUZZ_ENGINE ?=
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(if $(FUZZ_ENGINE),,$(BUILD)/obj/tests/fuzz/replay.o) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) $(FUZZ_ENGINE) -o $@ $^ $(LDLIBS)

build/cuda/mlopsctl-cuda.so: $(wildcard src/backend/cuda/*) include/mlopsctl/device.h
	$(call say,NVCC,$@)
	$(Q)mkdir -p $(@D) && $(NVCC) $(NVFLAGS) -o $@.new src/backend/cuda/plugin.cu -ldl && mv $@.new $@
%/mlopsctl-cuda.so: build/cuda/mlopsctl-cuda.so
	$(Q)mkdir -p $(@D) && install -m 755 $< $@.new && mv $@.new $@

# For a GPU machine that has gcc, make and nvcc and nothing else: the plugin, and a program that proves it.
KIT_SRC := tests/tools/gpu-kit.c $(wildcard src/device/*.c src/backend/cpu/*.c) \
           $(patsubst %,src/base/%.c,err mem text utf8 str time number decimal powers thread half)
KIT_OBJ := $(patsubst %.c,build/gpu-kit/obj/%.o,$(KIT_SRC))
gpu-kit: build/gpu-kit/gpu-kit $(if $(NVCC),build/gpu-kit/mlopsctl-cuda.so)
build/gpu-kit/obj/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -Iinclude -std=gnu11 -pthread -O2 -g -MMD -MP -c -o $@ $<
build/gpu-kit/gpu-kit: $(KIT_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) -pthread -o $@ $^ -lm -ldl

features: | $(BIN)
	@printf 'built %s (%s)\n' '$(BIN)' '$(VERSION)'
	@for lib in $(LINKED); do printf '  + %-12s %s\n' "$$lib" "$$($(PKG_CONFIG) --modversion $$lib)"; done
	@for lib in $(OPENED); do printf '  + %-12s %s (opened when needed)\n' "$$lib" "$$($(PKG_CONFIG) --modversion $$lib)"; done
	@$(if $(NVCC),printf '  + %-12s %s\n' nvcc '$(NVCC)',printf '  - %-12s %s\n' nvcc '$(if $(filter no,$(CUDA)),not wanted,not found): no GPU plugin')

install: $(BIN) $(PLUGIN)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
	  $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/mlopsctl
	$(if $(PLUGIN),install -d $(DESTDIR)$(PREFIX)/lib/mlopsctl && install -m 644 $(PLUGIN) $(DESTDIR)$(PREFIX)/lib/mlopsctl/)
	for s in 1 5 7; do for p in man/*.$$s; do [ ! -e "$$p" ] || install -m 644 "$$p" $(DESTDIR)$(PREFIX)/share/man/man$$s/; done; done
	$(BIN) completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mlopsctl
	$(BIN) completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_mlopsctl
	$(BIN) completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/mlopsctl.fish

dist:
	git archive --format=tar.gz --prefix=mlopsctl-$(VERSION)/ -o mlopsctl-$(VERSION).tar.gz HEAD

check:
	scripts/bootstrap --tests
	tests/run

# What only a GPU can show; skipped with the reason where there is none.
check-gpu: $(BIN) $(PLUGIN) gpu-kit
	MLOPSCTL='$(abspath $(BIN))' tests/gpu/run

demo:
	scripts/bootstrap
	$(MAKE) --no-print-directory -j"$$(nproc)" all
	MLOPSCTL='$(abspath $(BIN))' examples/credit/demo.sh

bench-peers: $(BIN) tools
	MLOPSCTL='$(abspath $(BIN))' tests/peers/run

bench-drift: $(BUILD)/tools/drift-quality
	DRIFT_QUALITY='$(abspath $<)' tests/peers/drift-quality

bench-gate: $(BUILD)/tools/bench-gate
	BENCH_GATE='$(abspath $<)' tests/peers/bench-gate

# Ten minutes of fuzzing a target: make fuzz TARGET=safetensors SECONDS=600
TARGET ?= all
SECONDS ?= 600
fuzz:
	tests/fuzz/run '$(TARGET)' '$(SECONDS)'

man: $(BIN)
	scripts/gen-man '$(BIN)'

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build

help:
	@printf '%s\n' 'make                 build' 'make demo            install what is needed, build, run the main job' \
	  'make check           install what the tests need, run them all' 'make install         into PREFIX (DESTDIR respected)' \
	  'make check-gpu       the GPU against the CPU: steps, samples, models' \
	  'make gpu-kit         GPU plugin and a program that checks it, with gcc and nvcc alone' \
	  'make bench-peers     measure beside other tools, write docs/benchmarks.md' 'make bench-drift     false alarms and power of drift, write docs/drift-quality.md' 'make bench-gate      how often the verdicts of bench are right' \
	  'make man             refresh generated parts of the man pages' \
	  'make fuzz            fuzz (TARGET=name SECONDS=600)' 'make format          clang-format' 'make dist            source archive'

-include $(shell find $(BUILD)/obj build/gpu-kit -name '*.d' 2>/dev/null)
