# narrow: `make demo` shows the main job, `make test` sets up and passes the tests.
NODE := .build/node/bin/node
export PATH := $(CURDIR)/.build/node/bin:$(PATH)

.PHONY: build demo test check bench setup clean format

build: narrow

narrow: dist/stamp scripts/launcher.sh
	@install -m 755 scripts/launcher.sh $@

dist/stamp: .build/deps $(shell find src -name '*.ts') scripts/bundle.ts tsconfig.json tsconfig.build.json
	@rm -rf dist
	@$(NODE) node_modules/typescript/bin/tsc -p tsconfig.build.json
	@$(NODE) scripts/bundle.ts
	@touch $@

.build/deps: package.json package-lock.json .node-version scripts/node.sh
	@scripts/node.sh
	@npm install --no-save --ignore-scripts --loglevel=error >&2
	@mkdir -p .build && touch $@

# The programs that tests talk to: Debian's Nix, sshd, nginx, strace … and newer Nixes beside it.
setup: .build/deps
	@test/lab/setup.sh

check: .build/deps
	@$(NODE) scripts/check.ts

test: build check setup
	@$(NODE) scripts/test.ts

demo: build
	@$(NODE) scripts/demo.ts

bench: build
	@$(NODE) bench/run.ts $(BENCH)

format: .build/deps
	@$(NODE) scripts/check.ts --fix

clean:
	rm -rf dist narrow .build node_modules
