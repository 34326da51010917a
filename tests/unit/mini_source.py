"""A source tree small enough to read, with the parts of kbuild that kpatch-build evaluates."""

from __future__ import annotations

from pathlib import Path

from kpatch.kernel.compiler import Compiler
from kpatch.kernel.config import KernelConfig
from kpatch.kernel.source import PreparedTree

FILES = {
    "Makefile": """\
export CONFIG_BUILTIN := y
KBUILD_VMLINUX_OBJS := ./built-in.a lib/lib.a
build := -f scripts/Makefile.build obj
""",
    "Kbuild": "obj-y += fs/ kernel/ lib/ drivers/ arch/x86/\n",
    "include/config/auto.conf": "CONFIG_EXT=m\nCONFIG_PROC=y\n",
    "scripts/Kbuild.include": "",
    "scripts/Makefile.build": "",
    "fs/Makefile": """\
obj-y := open.o namei.o
obj-$(CONFIG_PROC) += proc/
obj-$(CONFIG_EXT) += ext/
obj-$(CONFIG_NO) += no/ no.o
""",
    "fs/open.c": "int a;\n",
    "fs/namei.c": '#include "namei.h"\n#include <linux/y.h>\nint a = only_here;\n',
    "fs/namei.h": "#define only_here 1\n",
    "include/linux/x.h": "#include <linux/y.h>\n",
    "include/linux/y.h": "int y(void);\n",
    "include/linux/forced.h": "#include <linux/by_forced.h>\n",
    "include/linux/by_forced.h": "int f(void);\n",
    "scripts/Makefile.lib": "flags = -include $(srctree)/include/linux/forced.h\n",
    "kernel/entry.S": "#include <linux/asm.h>\n",
    "include/linux/asm.h": "#define FRAME 1\n",
    "include/linux/time.h": "int t;\n",
    "arch/x86/entry/vdso/vgetcpu.c": "#include <linux/time.h>\n",
    "fs/no.c": "int a;\n",
    "fs/no/Makefile": "obj-y := x.o\n",
    "fs/no/x.c": "int a;\n",
    "fs/proc/Makefile": """\
obj-y += proc.o
proc-y := inode.o
proc-$(CONFIG_PROC) += meminfo.o
proc-$(CONFIG_NO) += kcore.o
""",
    "fs/proc/inode.c": "int a;\n",
    "fs/proc/meminfo.c": "int a;\n",
    "fs/proc/kcore.c": "int a;\n",
    "fs/ext/Makefile": """\
obj-$(CONFIG_EXT) += ext-fs.o
ext-fs-objs := super.o shared.o
obj-m += tool.o
tool-y := main.o shared.o
""",
    "fs/ext/super.c": '#include "inline.c"\n',
    "fs/ext/inline.c": "int a;\n",
    "fs/ext/shared.c": "int a;\n",
    "fs/ext/main.c": "int a;\n",
    "kernel/Makefile": "obj-y += sched/ plain.o entry.o\n",
    "kernel/plain.c": '#include "viah.h"\n',
    "kernel/viah.h": '#include "body.c"\n',
    "kernel/body.c": "int a;\n",
    "kernel/sched/Makefile": "obj-y += core.o build_utility.o\n",
    "kernel/sched/core.c": "int a;\n",
    "kernel/sched/debug.c": "int a;\n",
    "kernel/sched/build_utility.c": '#include <linux/x.h>\n  #  include "debug.c"\n',
    "lib/Makefile": "lib-y := string.o\n",
    "lib/string.c": "int a;\n",
    "lib/ctype.c": "int a;\n",
    "drivers/Makefile": "obj-y += core/\n",
    "drivers/core/Makefile": "obj-m := wide.o\ninclude $(srctree)drivers/more/Makefile.more\nwide-y += $(MORE)\n",
    "drivers/more/Makefile.more": "MORE := ../more/far.o\n",
    "drivers/more/far.c": "int a;\n",
    "arch/x86/Kbuild": "obj-y += kvm/ boot/\n",
    "arch/x86/kvm/Makefile": "obj-m += kvm.o\nkvm-y += ../../../virt/kvm/kvm_main.o x86.o\n",
    "arch/x86/kvm/x86.c": "int a;\n",
    "arch/x86/boot/string.c": '#include "../../../lib/ctype.c"\n',
    "arch/x86/entry/vdso/vclock.c": '#include "../../../../lib/vtime.c"\n',
    "lib/vtime.c": "int a;\n",
    "virt/kvm/kvm_main.c": "int a;\n",
}


def make_tree(home: Path) -> PreparedTree:
    """The tree, below ``home``, as if it were prepared."""
    for name, text in FILES.items():
        path = home / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (home / "bin").mkdir()
    config = KernelConfig(home / "source" / ".config", {}, "x86", "6.1.0")
    return PreparedTree(home, home / "source", "6.1.0-1-mini", config, Compiler("gcc", "gcc"))
