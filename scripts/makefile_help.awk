# Lists the targets of a Makefile that have a "## text", under their "##@ heading".
BEGIN { FS = ":.*## " }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z][a-z-]*:.*## / { printf "  make %-14s %s\n", $1, $2 }
