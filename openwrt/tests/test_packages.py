"""The packages of openwrt/build, read by a reader that shares nothing with the builder, and by
opkg and apk where they are installed (OPKG=, APK=).

    openwrt/tests/test_packages.py REACHD
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

from po import read_po, sfh
from router import FILES, HERE

TOP = os.path.join(HERE, "../..")
OUT = os.path.abspath(os.path.join(TOP, "target/tests/openwrt"))
ARCH = "x86_64"
APP = os.path.join(HERE, "../luci-app-reachd")


class Failed(Exception):
    pass


def check(fine, what):
    if not fine:
        raise Failed(str(what))


def release():
    with open(os.path.join(TOP, "Cargo.toml"), encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("version"))
    return line.split('"')[1] + "-r1"


def build(reachd, **more):
    environment = {**os.environ, "REACHD": reachd, "SOURCE_DATE_EPOCH": "1700000000", "OUT": OUT,
                   **more}
    subprocess.run([os.path.join(TOP, "openwrt/build"), ARCH, "luci"], check=True, timeout=120,
                   env=environment, stdout=subprocess.DEVNULL)
    found = {}
    for folder, _, files in os.walk(OUT):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, OUT)] = file.read()
    return found


def unpack(name, arch):
    """[(name, content) of the parts], {path: member}, {path: content}, control's fields."""
    with open(os.path.join(OUT, f"{name}_{release()}_{arch}.ipk"), "rb") as file:
        data = file.read()
    # gzip -n: no name, no time (RFC 1952 2.3.1).
    check(data[:4] == b"\x1f\x8b\x08\x00" and data[4:8] == b"\0" * 4, "gzip's header")
    parts = []
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as outer:
        for member in outer:
            parts.append((member.name, outer.extractfile(member).read()))
    check([name for name, _ in parts]
          == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"], [n for n, _ in parts])
    check(parts[0][1] == b"2.0\n", parts[0])
    trees = []
    for _, content in parts[1:]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as inner:
            members = inner.getmembers()
            check([m.name for m in members] == sorted(m.name for m in members), "not sorted")
            for member in members:
                check((member.uid, member.gid, member.mtime) == (0, 0, 1700000000), member)
                check(not member.uname and not member.gname, member)
                check(member.isdir() or member.isfile(), member)
            trees.append(({m.name: m for m in members},
                          {m.name: inner.extractfile(m).read() for m in members if m.isfile()}))
    (members, files), (control_members, control) = trees
    fields = dict(line.split(": ", 1) for line in control["./control"].decode().splitlines())
    check(int(fields["Installed-Size"]) == len(gzip.decompress(parts[1][1])), fields)
    check(fields["Version"] == release() and fields["Architecture"] == arch, fields)
    for script in ("./postinst", "./prerm"):
        check(control_members[script].mode == 0o755, script)
        subprocess.run(["busybox", "ash", "-n"], input=control[script], check=True, timeout=10)
    return members, files, control, fields


def test_the_same_bytes_twice(reachd):
    first = build(reachd)
    again = build(reachd, TZ="Asia/Shanghai", LANG="C")
    check(first.keys() == again.keys(), "other files")
    for name, content in first.items():
        check(content == again[name], f"{name} is not the same twice")


def test_the_package(reachd):
    members, files, control, fields = unpack("reachd", ARCH)
    check(fields["Depends"] == "ca-bundle" and fields["Require-User"] == "reachd:reachd", fields)
    check(control["./conffiles"] == b"/etc/config/reachd\n", control["./conffiles"])
    with open(reachd, "rb") as file:
        check(files["./usr/sbin/reachd"] == file.read(), "another binary")
    for name, mode in (("./usr/sbin/reachd", 0o755), ("./etc/init.d/reachd", 0o755),
                       ("./usr/libexec/rpcd/reachd", 0o755), ("./etc/config/reachd", 0o600),
                       ("./usr/share/acl.d/reachd.json", 0o644), ("./etc", 0o755)):
        check(members[name].mode == mode, members[name])
    shipped = set()
    for folder, _, names in os.walk(FILES):
        shipped |= {"./" + os.path.relpath(os.path.join(folder, name), FILES) for name in names}
    check(set(files) == shipped | {"./usr/sbin/reachd"}, set(files) ^ shipped)
    for name in ("./usr/share/acl.d/reachd.json", "./etc/capabilities/reachd.json"):
        json.loads(files[name])
    # What an upgrade of the system keeps beside the conffile. No package holds anything of it, so
    # that removing one takes no secret along.
    check(files["./lib/upgrade/keep.d/reachd"] == b"/etc/reachd/\n", "what sysupgrade keeps")
    check(not any(name.startswith("./etc/reachd") for name in members), "a secret's place")
    # ubusd's list names the user that the package makes.
    check(json.loads(files["./usr/share/acl.d/reachd.json"])["user"] == "reachd", "the ACL's user")


def test_the_luci_app(reachd):
    _, files, _, fields = unpack("luci-app-reachd", "all")
    check(fields["Depends"] == "luci-base, reachd", fields)
    menu = json.loads(files["./usr/share/luci/menu.d/luci-app-reachd.json"])
    for entry in menu.values():
        if entry["action"]["type"] == "view":
            check(f"./www/luci-static/resources/view/{entry['action']['path']}.js" in files, entry)
    json.loads(files["./usr/share/rpcd/acl.d/luci-app-reachd.json"])
    # Without it rpcd would not know of the list, and the pages could ask nothing.
    script = files["./etc/uci-defaults/95-luci-app-reachd"].decode()
    # On a router, and where an image is made.
    for image in ("", "/image"):
        with tempfile.TemporaryDirectory() as root:
            rpcd = f"{root}/rpcd"
            with open(rpcd, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\necho $1 >{root}/told\n")
            os.chmod(rpcd, 0o755)
            led = script.replace("/etc/init.d/rpcd", rpcd)
            subprocess.run(["busybox", "ash", "-c", led], check=True, timeout=10,
                           env={**os.environ, "IPKG_INSTROOT": image})
            check(os.path.exists(f"{root}/told") != bool(image), script)


def test_the_translations(reachd):
    """Found as LuCI finds them: by the hash of the text, in a sorted index."""
    _, files, _, _ = unpack("luci-i18n-reachd-zh-cn", "all")
    data = files["./usr/lib/lua/luci/i18n/reachd.zh-cn.lmo"]
    start = struct.unpack(">I", data[-4:])[0]
    entries = list(struct.iter_unpack(">IIII", data[start:-4]))
    check([entry[0] for entry in entries] == sorted(entry[0] for entry in entries), "not sorted")
    index = {entry[0]: data[entry[2]:entry[2] + entry[3]].decode() for entry in entries}
    messages = read_po(os.path.join(APP, "po/zh_Hans/reachd.po"))
    check(len(messages) > 80, len(messages))
    for message, text in messages.items():
        # What is the same in both languages is left out, as LuCI's own compiler does.
        check(index.get(sfh(message.encode()), message) == text, message)
    # Values of LuCI's own hash function.
    for text, value in (("Overview", 0xADBAAE97), ("Settings", 0x60CC7D18), ("a", 0x115EA782)):
        check(sfh(text.encode()) == value, text)


def test_the_tree_for_apk(reachd):
    tree = os.path.join(OUT, f"reachd-{ARCH}.apk.d")
    own = os.path.join(tree, "files/lib/apk/packages")
    with open(os.path.join(own, "reachd.list"), encoding="utf-8") as file:
        listed = file.read().split()
    _, files, _, _ = unpack("reachd", ARCH)
    check(sorted(listed) == sorted(name[1:] for name in files), listed)
    with open(os.path.join(own, "reachd.conffiles_static"), encoding="utf-8") as file:
        path, digest = file.read().split()
    check(hashlib.sha256(files["." + path]).hexdigest() == digest, path)
    with open(os.path.join(own, "reachd.rusers"), encoding="utf-8") as file:
        check(file.read() == "reachd:reachd\n", "the user")
    for script in ("post-install", "post-upgrade", "pre-deinstall"):
        subprocess.run(["busybox", "ash", "-n", os.path.join(tree, script)], check=True, timeout=10)


def test_every_architecture_can_be_built(reachd):
    """openwrt/arches and cross/targets say the same of who runs what."""
    targets = {}
    with open(os.path.join(TOP, "cross/targets"), encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and not line.startswith("#"):
                targets[words[0]] = words[5].split(",")
    with open(os.path.join(TOP, "openwrt/arches"), encoding="utf-8") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    check(len(lines) >= 7, lines)
    for arch, triple, kilobytes, *_ in lines:
        check(int(kilobytes) <= 1000, arch)
        check(arch in targets.get(triple, []), f"{arch}: cross/targets has no {triple} for it")


def test_opkg_installs_and_removes(reachd):
    opkg = os.environ.get("OPKG") or shutil.which("opkg") or shutil.which("opkg-cl")
    if not opkg:
        return "opkg is not installed"
    with tempfile.TemporaryDirectory() as root:
        def at(path):
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            return os.path.join(root, path)
        with open(at("opkg.conf"), "w", encoding="utf-8") as file:
            file.write(f"dest root /\nlists_dir ext /lists\n"
                       f"arch all 1\narch noarch 1\narch {ARCH} 10\n")
        with open(at("usr/lib/opkg/status"), "w", encoding="utf-8") as file:
            for name in ("ca-bundle", "luci-base"):
                file.write(f"Package: {name}\nVersion: 1\nStatus: install user installed\n"
                           "Architecture: all\n\n")
                open(at(f"usr/lib/opkg/info/{name}.list"), "w", encoding="utf-8").close()
        # Where a build of opkg may have its lock.
        for path in ("tmp/x", "var/lock/x", os.environ.get("OPKG_LOCK", "tmp/x").lstrip("/")):
            at(path)

        def run(*words):
            done = subprocess.run([opkg, "--offline-root", root, "-f", f"{root}/opkg.conf", *words],
                                  capture_output=True, text=True, check=False, timeout=60)
            check(done.returncode == 0, done.stdout + done.stderr)
        names = (f"reachd_{release()}_{ARCH}", f"luci-app-reachd_{release()}_all",
                 f"luci-i18n-reachd-zh-cn_{release()}_all")
        run("install", *(os.path.join(OUT, f"{name}.ipk") for name in names))
        check(os.access(f"{root}/usr/sbin/reachd", os.X_OK), "no binary")
        with open(f"{root}/etc/config/reachd", "a", encoding="utf-8") as file:
            file.write("# mine\n")
        run("--force-reinstall", "install", os.path.join(OUT, f"{names[0]}.ipk"))
        with open(f"{root}/etc/config/reachd", encoding="utf-8") as file:
            check(file.read().endswith("# mine\n"), "the owner's config was written over")
        run("remove", "luci-i18n-reachd-zh-cn", "luci-app-reachd", "reachd")
        check(not os.path.exists(f"{root}/usr/sbin/reachd"), "the binary is still there")
        check(os.path.exists(f"{root}/etc/config/reachd"), "the owner's config is gone")
    return None


def test_apk_reads_what_it_made(reachd):
    apk = os.environ.get("APK") or shutil.which("apk")
    file = os.path.join(OUT, f"reachd-{ARCH}-{release()}.apk")
    if not apk or not os.path.exists(file):
        return "apk 3 is not installed"
    dump = subprocess.run([apk, "adbdump", file], capture_output=True, text=True, check=True,
                          timeout=60).stdout
    for part in ("name: reachd", f"version: {release()}", "post-upgrade", "reachd.rusers"):
        check(part in dump, part)
    return None


def test_apk_installs_upgrades_and_removes(reachd):
    apk = os.environ.get("APK") or shutil.which("apk")
    first = os.path.join(OUT, f"reachd-{ARCH}-{release()}.apk")
    if not apk or not os.path.exists(first):
        return "apk 3 is not installed"
    with tempfile.TemporaryDirectory() as root:
        def run(*words):
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60,
                                  env={**os.environ, "APK": apk})
            check(done.returncode == 0, done.stdout + done.stderr)

        def add(*files):
            # Scripts would be run by a shell inside; there is none.
            run(apk, "--root", f"{root}/router", "--initdb", "--arch", ARCH, "--allow-untrusted",
                "--no-network", "--no-scripts", "add", *files)
        os.mkdir(f"{root}/nothing")
        for name in ("ca-bundle", "luci-base"):
            run(apk, "mkpkg", "--info", f"name:{name}", "--info", "version:1-r0",
                "--info", "arch:noarch", "--files", f"{root}/nothing",
                "--output", f"{root}/{name}.apk")
        add(*(f"{root}/{name}.apk" for name in ("ca-bundle", "luci-base")), first,
            *(os.path.join(OUT, f"{name}-all-{release()}.apk")
              for name in ("luci-app-reachd", "luci-i18n-reachd-zh-cn")))
        binary, config = f"{root}/router/usr/sbin/reachd", f"{root}/router/etc/config/reachd"
        for path, mode in ((binary, 0o755), (config, 0o600)):
            check(os.stat(path).st_mode & 0o7777 == mode, path)
        with open(config, "a", encoding="utf-8") as file:
            file.write("# mine\n")
        # The next release: another binary, and another config shipped.
        shutil.copytree(os.path.join(OUT, f"reachd-{ARCH}.apk.d"), f"{root}/reachd-{ARCH}.apk.d")
        for path in ("usr/sbin/reachd", "etc/config/reachd"):
            with open(f"{root}/reachd-{ARCH}.apk.d/files/{path}", "ab") as file:
                file.write(b"# of the next release\n")
        with open(os.path.join(OUT, f"reachd-{ARCH}.apk.sh"), encoding="utf-8") as file:
            script = file.read()
        after = release()[:-1] + "2"
        with open(f"{root}/next.sh", "w", encoding="utf-8") as file:
            file.write(script.replace(release(), after))
        run("sh", f"{root}/next.sh")
        add(f"{root}/reachd-{ARCH}-{after}.apk")
        for path, end in ((binary, b"# of the next release\n"), (config, b"# mine\n"),
                          (f"{config}.apk-new", b"# of the next release\n")):
            with open(path, "rb") as file:
                check(file.read().endswith(end), path)
        run(apk, "--root", f"{root}/router", "--no-network", "--no-scripts", "del",
            "luci-i18n-reachd-zh-cn", "luci-app-reachd", "reachd")
        check(not os.path.exists(binary), "the binary is still there")
        check(os.path.exists(config), "the owner's config is gone")
    return None


def main():
    reachd = os.path.abspath(sys.argv[1])
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        what = f"packages: {name[5:].replace('_', ' ')}"
        try:
            why = test(reachd)
            print(f"SKIP {what}: {why}" if why else f"ok {what}")
        except (Failed, KeyError, ValueError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL {what}: {error!r}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
