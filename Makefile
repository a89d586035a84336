# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# magpie. `make check` tests, `make demo` shows; each does all of its own set-up on a fresh machine.
# Everything that is built lives in build/. Sources are found by folder: a new file needs no edit here.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules
Q           := $(if $(V),,@)
say          = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

B       := build
VERSION := 0.1.0
CC      := gcc
CLANG   := clang
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
JOBS    := $(shell nproc)

# --- what the code is compiled with -----------------------------------------------------------

WARN     := -Wall -Wextra -Werror -Wconversion -Wshadow -Wundef -Wvla -Wpointer-arith \
            -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wwrite-strings
CPPFLAGS := -D_GNU_SOURCE -DMAGPIE_VERSION='"$(VERSION)"' -I. -Idaemon -isystem $(B)
CFLAGS   := -std=gnu11 -O2 -g -fno-omit-frame-pointer -fstack-protector-strong $(WARN)
ASAN     := -fsanitize=address,undefined -fno-sanitize-recover=all -O1
BPFFLAGS := -target bpf -mcpu=v3 -std=gnu11 -O2 -g -Ivmlinux -Ibpf -Wall -Wextra -Werror \
            -Wno-unused-parameter -Wno-missing-field-initializers

PKGS     := libbpf libmnl libuv json-c sqlite3 libsystemd
LIBS      = $(shell pkg-config --libs $(PKGS)) -lm
TUI_LIBS  = $(shell pkg-config --libs ncursesw)

# --- what there is ----------------------------------------------------------------------------

PURE_SRC   := $(wildcard daemon/wire/*.c daemon/core/*.c)
LIB_SRC    := $(wildcard daemon/*/*.c)
LAB_SRC    := $(wildcard tools/lab/*.c)
CLI_SRC    := $(wildcard tools/magpie/*.c)
SUP_SRC    := $(wildcard tests/support/*.c)
BPF_SRC    := $(wildcard bpf/*.bpf.c)
BENCH_BPF  := $(wildcard tests/bench/*.bpf.c)
SKELS      := $(BPF_SRC:bpf/%.bpf.c=$(B)/skel/%.skel.h) $(BENCH_BPF:tests/bench/%.bpf.c=$(B)/skel/%.skel.h)
UNIT       := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
UNIT_ASAN  := $(patsubst tests/unit/%.c,$(B)/asan/tests/unit/%,$(wildcard tests/unit/*.c))
PLANE      := $(patsubst tests/plane/%.c,$(B)/tests/plane/%,$(wildcard tests/plane/*.c))
E2E_TOOLS  := $(patsubst tests/e2e/%.c,$(B)/tests/e2e/%,$(wildcard tests/e2e/*.c))
BENCH      := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
FUZZ       := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/*.c))
NAMES      := $(B)/tests/guard/names
PROGRAMS   := $(B)/magpied $(B)/magpie $(B)/magpie-lab

obj  = $(patsubst %.c,$(B)/obj/%.o,$(1))
asan = $(patsubst %.c,$(B)/asan/obj/%.o,$(1))

.PHONY: all deps build check demo bench fuzz install clean tests format compdb
all: deps
	@$(MAKE) --no-print-directory -j$(JOBS) build
build: $(PROGRAMS)
tests: build $(UNIT) $(UNIT_ASAN) $(PLANE) $(E2E_TOOLS) $(BENCH) $(FUZZ) $(NAMES)

deps:
	@packaging/deps

# --- objects ----------------------------------------------------------------------------------

$(B)/obj/%.o: %.c Makefile | $(SKELS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/asan/obj/%.o: %.c Makefile | $(SKELS)
	@mkdir -p $(@D)
	$(call say,ASAN,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(ASAN) -MMD -MP -c -o $@ $<

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h vmlinux/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPFFLAGS) -c -o $@ $<
$(B)/bpf/%.bpf.o: tests/bench/%.bpf.c $(wildcard bpf/*.h vmlinux/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPFFLAGS) -c -o $@ $<
$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

$(B)/libmagpie.a: $(call obj,$(LIB_SRC))
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/asan/libmagpie.a: $(call asan,$(LIB_SRC))
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/libsupport.a: $(call obj,$(SUP_SRC))
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/asan/libsupport.a: $(call asan,$(SUP_SRC))
	@rm -f $@
	$(Q)ar rcs $@ $^

# --- programs ---------------------------------------------------------------------------------

$(B)/magpied: $(B)/obj/daemon/main.o $(B)/libmagpie.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)
$(B)/magpie: $(call obj,$(CLI_SRC)) $(B)/libmagpie.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(TUI_LIBS)
$(B)/magpie-lab: $(call obj,$(LAB_SRC)) $(B)/libmagpie.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(TUI_LIBS)

$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(B)/libsupport.a $(B)/libmagpie.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) -lcriterion
$(B)/asan/tests/unit/%: $(B)/asan/obj/tests/unit/%.o $(B)/asan/libsupport.a $(B)/asan/libmagpie.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(ASAN) -o $@ $^ $(LIBS) -lcriterion
$(B)/tests/plane/%: $(B)/obj/tests/plane/%.o $(B)/libsupport.a $(B)/libmagpie.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) -lcriterion
$(B)/tests/e2e/%: $(B)/obj/tests/e2e/%.o $(B)/libsupport.a $(B)/libmagpie.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)
$(NAMES): $(B)/obj/tests/guard/names.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/libsupport.a $(B)/libmagpie.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)
# libFuzzer is clang's; the pure sources are compiled again with its instrumentation.
$(B)/tests/fuzz/%: tests/fuzz/%.c $(PURE_SRC) $(wildcard daemon/wire/*.h daemon/core/*.h tests/fuzz/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 -O1 -g -Wall -Wextra -Werror \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< $(PURE_SRC)

# --- what people run --------------------------------------------------------------------------

check: deps
	@$(MAKE) --no-print-directory -j$(JOBS) tests
	@tests/run

demo: all
	@tools/lab/demo

bench: all
	@$(MAKE) --no-print-directory -j$(JOBS) $(BENCH)
	@tests/bench/run

fuzz: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-1800} tests/fuzz/run

format:
	@git ls-files '*.c' '*.h' | grep -v '^vmlinux/' | xargs clang-format -i

PREFIX  := /usr
install: build
	packaging/install '$(DESTDIR)' '$(PREFIX)'

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
