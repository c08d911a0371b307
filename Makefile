# The menu of this project. `make help` lists it; what is behind each line is in scripts/ and in cargo.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
LIB := build/lib
DESTDIR ?=
PORT ?= 8000
APP ?=
TESTS ?= pythons:: hello:: leaving::
PYTHON_HOME ?=
SCENARIO ?= hello
SERVER ?= ours-daemon
MPM ?= event,worker,prefork
GRACEFUL ?= 200
TOUCH ?= 50
BROKEN ?= 20
KILL ?= 100
FLAT ?= 1200
STREAMS ?= 100
HOSTILE ?= 600
BADLUCK ?= 0
SEED ?=
# As root the application becomes httpd's user of this system; an ordinary user stays who it is.
SERVE_AS = $(shell [ "$$(id -u)" != 0 ] || for user in www-data apache http daemon; do \
  ! id "$$user" >/dev/null 2>&1 || { echo "--user $$user --group $$(id -gn "$$user")"; break; }; done)
SERVE = exec $(LIB)/mod_wsgi/mod_wsgi-express start-server '$(or $(APP),examples/hello/wsgi.py)' --host 127.0.0.1 --threads 8 \
  --log-to-terminal --access-log --working-directory '$(dir $(or $(APP),examples/hello/wsgi.py))'
IT = $(CARGO) test -p integration --test it -- --test-threads=4

.PHONY: help setup build serve test lint test-unit test-tidy test-it test-pythons test-control test-autobahn fuzz soak test-cluster test-observability bench profile install uninstall deb rpm wheel test-packages clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## install what is missing of the system (as root), or say what to install
	@scripts/setup.sh

build: ## the module and the programs that belong to it, in build/lib
	$(CARGO) build --release --workspace --exclude integration
	install -D -m 755 target/release/libmod_wsgi.so $(LIB)/mod_wsgi.so
	install -D -m 755 target/release/wsgi-supervisor $(LIB)/mod_wsgi/wsgi-supervisor
	install -D -m 755 target/release/libwsgi_python_host.so $(LIB)/mod_wsgi/python-host.abi3.so
	install -D -m 755 target/release/mod_wsgi-ctl $(LIB)/mod_wsgi/mod_wsgi-ctl
	install -D -m 755 target/release/mod_wsgi-express $(LIB)/mod_wsgi/mod_wsgi-express

serve: setup build ## examples/hello on http://localhost:8000; or APP=path/to/wsgi.py PORT= PYTHON_HOME=
	@$(SERVE) --port '$(PORT)' $(if $(PYTHON_HOME),--python-home '$(PYTHON_HOME)') $(SERVE_AS)

test: setup lint build test-unit test-tidy test-it ## everything that must pass
	@scripts/newer_pythons.sh missing

lint: ## rustfmt, clippy, ruff and shellcheck; changes nothing
	@scripts/lint.sh

test-unit: ## each crate by itself
	$(CARGO) test --workspace --exclude integration
	$(CARGO) test -p integration --lib

test-tidy: ## the rules of CONTRIBUTING.md that can be checked by looking
	$(CARGO) test -p integration --test tidy

test-it: ## a real httpd with the module of build/lib
	MODULE_UNDER_TEST=ours $(IT)

test-pythons: build ## the tests about Pythons with 3.14 and 3.15, in a folder with Debian's unstable (as root); TESTS="processes:: input::"
	binary=$$($(CARGO) test -p integration --test it --no-run --message-format=json 2>/dev/null | \
	  sed -nE 's/.*"executable":"([^"]+)".*/\1/p' | tail -n 1) && \
	  scripts/newer_pythons.sh run "$$binary" --test-threads=2 $(TESTS)

test-control: ## the same suite against mod_wsgi 6.1.1 from PyPI: is the suite right?
	MODULE_UNDER_TEST=original $(IT)

fuzz: setup build ## random requests and daemons for FUZZ_SECONDS (an hour) each; prints FUZZ_SEED, which repeats a run
	FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} MODULE_UNDER_TEST=ours $(CARGO) test -p integration --test it -- --nocapture fuzz::
	cd fuzz && for target in line words; do $(CARGO) run --release --bin $$target -- -max_total_time=60 -max_len=200 || exit 1; done
	cd fuzz && for target in header from_daemon from_httpd request response_head call launch conversation; do mkdir -p target/found/$$target && \
	  $(CARGO) run --release --bin $$target -- -max_total_time=60 -max_len=4096 target/found/$$target corpus/$$target || exit 1; done

bench: setup build ## servers side by side, on a quiet machine; SCENARIOS="hello django" BENCH="--check --wait-quiet"
	@scripts/setup.sh bench
	@$(CARGO) test --release -q -p wsgi-protocol -- --ignored --nocapture cost_of_counting | grep counting
	bench/counting.py $(COUNTING)
	bench/bench.py $(BENCH) $(SCENARIOS)

profile: setup build ## where the time of a request goes; SCENARIO=hello SERVER=ours-daemon (as root)
	@scripts/setup.sh profile
	bench/profile.py $(PROFILE) $(SCENARIO) $(SERVER)

soak: setup build ## restarts, touches, broken deploys and kills under load; GRACEFUL= TOUCH= BROKEN= KILL= FLAT= STREAMS= HOSTILE= MPM=; or BADLUCK=seconds SEED=
	@command -v h2load >/dev/null || echo "soak: without h2load (apt-get install nghttp2-client) there is no HTTP/2 load"
	[ '$(BADLUCK)' = 0 ] || tests/soak/badluck.py --mpm '$(MPM)' --seconds '$(BADLUCK)' $(if $(SEED),--seed '$(SEED)')
	[ '$(BADLUCK)' != 0 ] || tests/soak/soak.py --mpm '$(MPM)' --graceful $(GRACEFUL) --touch $(TOUCH) --broken $(BROKEN) --kill $(KILL) --flat $(FLAT)
	[ '$(BADLUCK)' != 0 ] || [ '$(STREAMS)' = 0 ] || tests/soak/asgi.py --graceful '$(STREAMS)'
	[ '$(BADLUCK)' != 0 ] || [ '$(HOSTILE)' = 0 ] || tests/soak/hostile.py --seconds '$(HOSTILE)'

test-autobahn: setup build ## the Autobahn test suite against an echoing ASGI application (as root); AUTOBAHN=--short
	tests/soak/autobahn.py $(AUTOBAHN)

test-cluster: setup build ## a front and four hosts in network namespaces: deploy, kill, cut, slow, add (as root); SECONDS= of each calm time
	tests/cluster/cluster.py --seconds '$(or $(SECONDS),15)'

test-observability: setup build ## a real Prometheus and Chromium look at a server under load, restarts and kills; SECONDS=
	tests/soak/observability.py --seconds '$(or $(SECONDS),300)'

# With sudo cargo is the user's, and so is what it makes.
install: ## into httpd's own folders, below DESTDIR; with sudo, or without cargo, what `make build` has left in build/lib
	@if [ -z "$$SUDO_USER" ] && command -v $(CARGO) >/dev/null; then $(MAKE) build; fi
	@DESTDIR='$(DESTDIR)' scripts/install.sh

uninstall: ## takes away what `make install` has put there, and puts back what it has replaced
	@DESTDIR='$(DESTDIR)' scripts/install.sh --uninstall

deb: build ## the package for Debian and Ubuntu, into build/packages
	@packaging/deb.sh

rpm: build ## the package for the Fedora family, into build/packages
	@packaging/rpm.sh

wheel: build ## the wheel for pip, one for every Python, into build/packages
	@packaging/wheel.sh

test-packages: build ## the packages in clean Debian systems (as root: debootstrap), the .rpm, the wheel, the container; SUITES="bookworm trixie"
	@scripts/setup.sh packages
	rpm=$$(packaging/rpm.sh) && tests/packages/rpm.sh "$$rpm"
	deb=$$(packaging/deb.sh) && wheel=$$(packaging/wheel.sh) && lintian --fail-on error,warning "$$deb" && \
	  python=$$(scripts/pythons.sh | sed -nE 's/^3\.13[^ ]* ([^ ]*) base$$/\1/p') && WHEEL=$$wheel PYTHON=$$python tests/packages/run.sh "$$deb" && \
	  tests/packages/wheel.sh "$$wheel"

clean: ## what was built
	$(CARGO) clean
	rm -rf build
