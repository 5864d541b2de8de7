#!/bin/sh
# clean_node.sh: take from a node what no image of it may hold: keys, host keys, histories, logs, cloud-init's state.
#
# By "Guidelines for shared Linux AMIs" in the EC2 User Guide. Run it as root, as the last thing: who has logged in stays,
# nobody else gets in. Its last line is `clean` with code 0; or, on standard error, `not clean: ...` with code 1.
# What lies on a read-only file system is no part of the node's disk.

set -u
cd / || exit 1

take() {
  for path in "$@"; do
    if { [ -e "$path" ] || [ -L "$path" ]; } && [ -w "${path%/*}/" ]; then
      rm -rf -- "$path"
    fi
  done
}

if command -v cloud-init >/dev/null; then
  cloud-init clean --logs </dev/null >/dev/null 2>&1
fi
if command -v dnf >/dev/null; then
  dnf --quiet clean all </dev/null >/dev/null 2>&1
elif command -v apt-get >/dev/null; then
  apt-get clean </dev/null >/dev/null 2>&1
fi
take /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data /var/lib/cloud/sem
take /etc/ssh/ssh_host_* /var/lib/systemd/random-seed
# sshd may ask for the authorized keys of whoever logs in next; then nobody does.
for home in /root /home/*; do
  take "$home/.ssh" "$home/.cache" "$home/.lesshst" "$home/.wget-hsts" "$home"/.*_history "$home/.sudo_as_admin_successful"
done
# Empty, it is drawn anew at the next boot (machine-id(5)).
[ ! -w /etc/machine-id ] || : >/etc/machine-id
find /var/log -type f -exec sh -c 'for log; do [ ! -w "$log" ] || : >"$log"; done' sh {} + 2>/dev/null
take /tmp/* /tmp/.[!.]* /var/tmp/*

left=
for path in /etc/ssh/ssh_host_* /root/.ssh /home/*/.ssh /root/.*_history /home/*/.*_history /var/lib/cloud/instance; do
  if [ -e "$path" ] && [ -w "${path%/*}/" ]; then
    left="$left $path"
  fi
done
if [ -n "$left" ]; then
  echo "not clean:$left" >&2
  exit 1
fi
sync
echo clean
