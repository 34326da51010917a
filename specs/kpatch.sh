#!/bin/sh
# The kpatch command. EL8 keeps its own Python apart from the one that users may replace.
python=/usr/libexec/platform-python
[ -x "$python" ] || python=/usr/bin/python3
# -I: neither the working directory nor the user's site-packages can stand in for our modules.
exec "$python" -I -c 'import sys
sys.path.insert(0, "/usr/share/kpatch/python")
sys.argv[0] = "kpatch"
from kpatch.cli.kpatch import main
sys.exit(main())' "$@"
