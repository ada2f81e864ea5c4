# Shortcuts for `just` (optional: each recipe is one line that works without it). `just` alone lists them.

_list:
    @just --list --unsorted

# Formatting, spelling, lints and the tests beside the code: under two minutes on a warm machine
quick:
    scripts/check quick

# All that a change must pass; or the steps that are named: `just check lints template`
check *steps:
    scripts/check {{steps}}

# The product with simulated providers, and the address of its page
demo *options:
    cargo run -- demo {{options}}

# Runs the tests that have snapshots, and takes over what changed: read the diff before you commit it
snapshots *tests:
    INSTA_UPDATE=always cargo nextest run --workspace --no-fail-fast -E 'package(journeys) | package(notifications) | package(commands) | package(switchboard)' {{tests}}

# The one-machine host as a server runs it, without simulators: target/host/switchboard
host:
    scripts/check host

# The template with the Lambda binaries, deployed to an AWS that runs here, and used: a deal, a command, an install, a leave …
cloud:
    scripts/check lambda stack

# A measurement of docs/performance.md: webhook, cost, burst or cold
bench which:
    cargo run --profile host -p bench -- {{which}}

# The Lambda packages as they are shipped, and their sizes: about ten minutes
sizes:
    cargo lambda build --release --locked && scripts/zip-size
