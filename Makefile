# Naru - one plain Makefile. `make help` lists what it does.
#
# Variants: RELEASE=1 (hardened, optimised), SAN=address,undefined, SAN=thread. Each has its own folder build/<mode>.
# A new .c file needs no edit here: sources are found by folder.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

comma := ,
MODE := dev
OPT := -O1 -g
ifdef RELEASE
MODE := release
OPT := -O2 -g -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
       -ftrivial-auto-var-init=zero
LDHARD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
ifdef SAN
MODE := san-$(subst $(comma),-,$(SAN))
OPT := -O1 -g -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DNARU_SLOW_CHECKS -DNARU_ARENA_MALLOC
endif
ifdef COV
MODE := coverage
OPT := -O0 -g -DNARU_ARENA_MALLOC
endif
B := build/$(MODE)
GEN := build/gen

PKGS := libmicrohttpd libcurl openssl jansson libpq sqlite3 uuid zlib gnutls
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wformat=2 -Wcast-qual -Wwrite-strings -Wundef \
        -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS += -I. -I$(GEN) -D_GNU_SOURCE -DNARU_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
CFLAGS += -std=gnu17 -fPIE -pthread $(WARN) $(OPT)
LDFLAGS += -pthread $(if $(SAN),-fsanitize=$(SAN)) $(if $(COV),--coverage) -Wl,--as-needed $(LDHARD)
LIBS_ALL := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
LIBS_TEST := $(shell pkg-config --libs check 2>/dev/null)

Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)" "$(2)";)

# -- sources ------------------------------------------------------------------------------------------------------------
LIB_SRC := $(wildcard lib/*/*.c)
POLICY_SRC := $(wildcard policy/*.c)
CONNECTOR_SRC := $(filter-out connector/main.c,$(wildcard connector/*.c connector/*/*.c))
SERVER_SRC := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))
CLI_SRC := $(filter-out cli/main.c,$(wildcard cli/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
TOOL_SRC := $(wildcard tools/*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
GEN_CONNECTOR := $(GEN)/sql_connector.h $(GEN)/sql_connector.c
GEN_BROKER := $(GEN)/sql_broker.h $(GEN)/sql_broker.c
CONNECTOR_SQL := $(wildcard sql/schema/connector/*.sql sql/query/connector/*.sql)
BROKER_SQL := $(wildcard sql/schema/broker/*.sql sql/query/broker/*.sql sql/proc/broker/*.sql)

PROGRAMS := $(if $(wildcard connector/main.c),$(B)/naru-connector) $(if $(wildcard server/main.c),$(B)/naru-broker) \
            $(if $(wildcard cli/main.c),$(B)/naru)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC))

##@ Main targets
.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z_-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@printf '\nVariants: RELEASE=1, SAN=address,undefined, SAN=thread; V=1 shows the commands.\n'

.PHONY: deps
deps: ## install the Debian packages that building, demo and tests need (root or sudo)
	@tools/deps build run test

.PHONY: all
all: $(PROGRAMS) ## build the three programs into build/<mode>

.PHONY: demo
demo: ## trade on this machine: installs, builds, starts everything, buys, audits (KEEP=1 leaves it running)
	@tools/deps build run
	@$(MAKE) --no-print-directory RELEASE=1 all
	@$(PYTHON) tools/demo/demo.py --bin build/release $(if $(KEEP),--keep) $(if $(DEMO_DATA),--data "$(DEMO_DATA)")

.PHONY: test
test: ## unit and integration tests under ASan and UBSan; last line "N passed, N failed"
	@tools/deps build run test
	@$(MAKE) --no-print-directory SAN=address,undefined all unit-programs
	@$(PYTHON) tests/run.py --bin build/san-address-undefined $(if $(ONLY),--only "$(ONLY)") $(if $(JOBS),--jobs $(JOBS))

.PHONY: conformance
conformance: ## the conformance suite of the Dataspace Protocol, on both databases (TCK_JARS=dir or TCK_SOURCES="dir dir" for the public one)
	@tools/deps build run test
	@$(MAKE) --no-print-directory RELEASE=1 all
	@NARU_BIN=$(CURDIR)/build/release $(PYTHON) tests/conformance/run.py --all --times 10 $(if $(TCK_JARS),--jars "$(TCK_JARS)") \
	  $(if $(TCK_SOURCES),--sources $(TCK_SOURCES))

.PHONY: interop
interop: ## trade with stock EDC connectors in both directions (Java, Maven; the kit in ../shared/peers/edc)
	@tools/deps build run test
	@$(MAKE) --no-print-directory RELEASE=1 all
	@NARU_BIN=$(CURDIR)/build/release $(PYTHON) tests/interop/run.py

.PHONY: check
check: ## style, include direction, headers, SQL names, documents, shell
	@tools/check/check

.PHONY: bench
bench: ## measure, side by side with anchors (ONLY=name); writes build/bench.json
	@tools/deps build run bench
	@$(MAKE) --no-print-directory RELEASE=1 all bench-programs
	@$(PYTHON) tests/bench/run.py --bin build/release $(if $(ONLY),--only "$(ONLY)")

.PHONY: test-tsan
test-tsan: ## the threaded tests under ThreadSanitizer
	@tools/deps build run test
	@$(MAKE) --no-print-directory SAN=thread all unit-programs
	@$(PYTHON) tests/run.py --bin build/san-thread --tsan

.PHONY: fault
fault: ## kill every program at every step of a trade, in a loop (KILLS=200)
	@tools/deps build run test
	@$(MAKE) --no-print-directory RELEASE=1 all
	@$(PYTHON) tests/fault/run.py --bin build/release --kills $(or $(KILLS),200)

.PHONY: fuzz
fuzz: ## run the fuzz targets for FUZZ_SECONDS each (clang)
	@tools/deps build fuzz
	@tests/fuzz/run $(or $(FUZZ_SECONDS),60)

POLICY_TESTS := $(filter test_policy_%,$(notdir $(basename $(UNIT_SRC))))
.PHONY: coverage
coverage: ## branches of policy/ that its unit tests take; fails below 98 % (gcov)
	@tools/deps build test
	@$(MAKE) --no-print-directory COV=1 $(addprefix build/coverage/tests/unit/,$(POLICY_TESTS))
	@POLICY_CASES=60 $(PYTHON) tests/coverage.py --build build/coverage --folder policy --floor 98 --table tests/coverage.table $(POLICY_TESTS)

.PHONY: random-policies
random-policies: ## the policy engine against a slow evaluator on POLICIES random policies (a million), from SEED on
	@tools/deps build test
	@$(MAKE) --no-print-directory build/dev/tests/unit/test_policy_random
	@tests/random_policies build/dev/tests/unit/test_policy_random $(or $(POLICIES),1000000) $(or $(SEED),1)

.PHONY: format
format: ## apply clang-format to all C sources
	@clang-format -i $$(git ls-files '*.c' '*.h')

.PHONY: install
install: ## install programs, man pages, completion, systemd units (DESTDIR, PREFIX)
	@$(MAKE) --no-print-directory RELEASE=1 all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
	  $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d
	install -m 755 build/release/naru build/release/naru-connector build/release/naru-broker $(DESTDIR)$(PREFIX)/bin
	for s in 1 5 8; do for f in man/*.$$s; do [ ! -e "$$f" ] || install -m 644 "$$f" $(DESTDIR)$(PREFIX)/share/man/man$$s; done; done
	install -m 644 tools/completion/naru.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/naru
	for f in tools/systemd/*.service; do sed 's|@PREFIX@|$(PREFIX)|' "$$f" > $(DESTDIR)$(PREFIX)/lib/systemd/system/$${f##*/}; done
	install -m 644 tools/systemd/naru.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/naru.conf

.PHONY: clean
clean: ## remove build/
	rm -rf build

# -- programs -----------------------------------------------------------------------------------------------------------
LIB_A := $(B)/lib.a
POLICY_A := $(B)/policy.a
CONNECTOR_A := $(B)/connector.a
SERVER_A := $(B)/server.a
CLI_A := $(B)/cli.a
GENC_A := $(B)/sql_connector.a
GENB_A := $(B)/sql_broker.a

$(LIB_A): $(call obj,$(LIB_SRC))
$(POLICY_A): $(call obj,$(POLICY_SRC))
$(CONNECTOR_A): $(call obj,$(CONNECTOR_SRC))
$(SERVER_A): $(call obj,$(SERVER_SRC))
$(CLI_A): $(call obj,$(CLI_SRC))
$(GENC_A): $(B)/gen/sql_connector.o
$(GENB_A): $(B)/gen/sql_broker.o
$(B)/%.a:
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

$(B)/naru-connector: $(B)/connector/main.o $(CONNECTOR_A) $(GENC_A) $(POLICY_A) $(LIB_A)
$(B)/naru-broker: $(B)/server/main.o $(SERVER_A) $(GENB_A) $(POLICY_A) $(LIB_A)
$(B)/naru: $(B)/cli/main.o $(CLI_A) $(POLICY_A) $(LIB_A)
$(B)/naru-connector $(B)/naru-broker $(B)/naru:
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ALL)

# -- tests --------------------------------------------------------------------------------------------------------------
.PHONY: unit-programs
unit-programs: $(UNIT_TESTS)
.PHONY: bench-programs
bench-programs: $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c))

# coverage is measured of policy/ alone
$(if $(COV),$(eval $(call obj,$(POLICY_SRC)): OPT += --coverage))
UNIT_ARCHIVES := $(if $(COV),,$(CONNECTOR_A) $(GENC_A) $(SERVER_A) $(GENB_A) $(CLI_A)) $(POLICY_A) $(LIB_A)
UNIT_HELP := $(call obj,$(if $(COV),$(wildcard tests/unit/help_policy*.c) tests/unit/help_turtle.c,$(UNIT_HELP_SRC)))
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(UNIT_HELP) $(UNIT_ARCHIVES)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_TEST) $(LIBS_ALL)
$(B)/tests/unit/test_policy_memory: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
# as the unit test does, it reads the FORCE suite
$(B)/tests/bench/bench_policy: $(B)/tests/bench/bench_policy.o $(call obj,tests/unit/help_policy_force.c tests/unit/help_turtle.c) $(POLICY_A) $(LIB_A)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ALL)
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(CONNECTOR_A) $(GENC_A) $(SERVER_A) $(GENB_A) $(POLICY_A) $(LIB_A)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ALL)

# -- generated ----------------------------------------------------------------------------------------------------------
$(GEN)/sql_connector.c: $(CONNECTOR_SQL) tools/sqlgen
	$(call say,GEN,$@)mkdir -p $(GEN) && $(PYTHON) tools/sqlgen connector $(GEN)
$(GEN)/sql_broker.c: $(BROKER_SQL) tools/sqlgen
	$(call say,GEN,$@)mkdir -p $(GEN) && $(PYTHON) tools/sqlgen broker $(GEN)
$(GEN)/sql_%.h: $(GEN)/sql_%.c
	@:

$(call obj,$(CONNECTOR_SRC) connector/main.c $(UNIT_SRC) $(wildcard tests/bench/*.c)): | $(GEN)/sql_connector.h
$(call obj,$(SERVER_SRC) server/main.c $(UNIT_SRC) $(wildcard tests/bench/*.c)): | $(GEN)/sql_broker.h

$(B)/server/openapi/openapi.o: server/openapi/openapi.json
$(B)/connector/mgmt/openapi.o: connector/mgmt/openapi.json
$(B)/policy/template_files.o: $(wildcard templates/policy/*.json)

# changed flags rebuild everything of this mode
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS)
FLAGS_STAMP := $(B)/.flags
ifneq ($(shell cat $(FLAGS_STAMP) 2>/dev/null),$(FLAGS_NOW))
$(shell mkdir -p $(B) && printf '%s' '$(subst ','\'',$(FLAGS_NOW))' > $(FLAGS_STAMP))
endif

$(B)/gen/%.o: $(GEN)/%.c $(FLAGS_STAMP)
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.o: %.c $(FLAGS_STAMP)
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell [ -d $(B) ] && find $(B) -name '*.d')
