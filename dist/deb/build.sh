#!/bin/bash
# build.sh LICTOR OUT: a Debian package of that program, by dpkg-deb alone. It is
# named after the program's version, which must begin with a digit for Debian's tools
# to tell which is newer; any other is packed as a snapshot, 0~that.
set -euo pipefail
lictor=$1 out=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
read -r _ version rest < <("$lictor" version)
architecture=${rest##*/}; architecture=${architecture%)}
version=${version#v}
case $version in [0-9]*) ;; *) version=0~$version ;; esac
version=${version//-/+}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
install -D -m 755 "$lictor" "$root/usr/bin/lictor"
install -D -m 644 "$here/dist/systemd/lictor.service" "$root/lib/systemd/system/lictor.service"
install -D -m 644 "$here/config.hcl.example" "$root/usr/share/doc/lictor/config.hcl.example"
install -D -m 644 "$here/LICENSE" "$root/usr/share/doc/lictor/copyright"
install -d -m 755 "$root/etc/lictor" "$root/usr/share/man/man1"
install -d -m 755 "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
"$lictor" man -dir "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*.1
"$lictor" completion bash > "$root/usr/share/bash-completion/completions/lictor"
"$lictor" completion zsh > "$root/usr/share/zsh/vendor-completions/_lictor"
"$lictor" completion fish > "$root/usr/share/fish/vendor_completions.d/lictor.fish"
install -d "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<END
Package: lictor
Version: $version
Architecture: $architecture
Maintainer: Lictor's maintainers <lictor@localhost>
Section: net
Priority: optional
Recommends: ca-certificates
Installed-Size: $(du -sk "$root" | cut -f1)
Description: gateway at the edge of a Consul datacenter
 Takes its catalog from Consul, sends each request to the least-loaded healthy
 instance, limits who may ask how often, and refuses what no service offers.
END
# A new version takes over from the one that runs; nothing is started unasked.
cat > "$root/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -n "$2" ] && systemctl --quiet is-active lictor.service; then
		systemctl kill --kill-whom=main -s SIGUSR2 lictor.service
	fi
fi
END
cat > "$root/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl stop lictor.service
fi
END
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm"
mkdir -p "$out"
dpkg-deb --root-owner-group -Zgzip --build "$root" "$out/lictor_${version}_$architecture.deb"
