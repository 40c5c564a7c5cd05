# Waits until the one who started a cluster is gone, then leaves nothing of it behind: $1 is the cluster's folder.
#
# Standard input is a pipe whose other end the owner holds and never writes to; the system closes it with the owner,
# however the owner ends. A key or a hangup that ends the owner must not end this shell.
trap '' HUP INT QUIT TERM
read -r _

# Every process that works in the folder, whatever it is: the server may just be starting, or being made. To the server
# QUIT is an immediate stop, in which it gives its shared memory back; what has not ended after 5 seconds is killed.
round=0
while [ "$round" -lt 200 ]; do
  left=$(find /proc -mindepth 2 -maxdepth 2 -name cwd \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null)
  [ -n "$left" ] || break
  signal=QUIT
  [ "$round" -lt 100 ] || signal=KILL
  for link in $left; do
    process=${link#/proc/}
    kill -s "$signal" "${process%/cwd}"
  done
  round=$((round + 1))
  sleep 0.05
done

# A killed server leaves its lock file, whose seventh line ends with the id of a segment of shared memory.
segment=$(sed -n '7s/.* //p' "$1/data/postmaster.pid") && [ -n "$segment" ] && ipcrm -m "$segment"
rm -rf "$1"
