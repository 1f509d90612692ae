# A small house to run one binary in, for cross/smoke and cross/idle; sourced, not run.
#
# The script that sources it starts again in namespaces of its own: this one is the router, with
# the device wan0; behind wan0 is the Internet, where a real BIND holds example.test (dynamic,
# TSIG) and names the fake Cloudflare. Nothing outside is touched, and the kernel ends everything
# with the script. It needs root, or user namespaces for everybody.
#
#   $lab      working directory, removed at the end
#   $v6       1 if this kernel gives us IPv6
#   configure NAME...   writes $lab/NAME/config; $lab/NAME/journal is its memory
#   address N           gives wan0 the address 203.0.113.N (and 2001:db8:1::N), taking the old one
#   held NAME TYPE      what BIND answers for NAME.example.test

if [ -z "${REACHD_LAB:-}" ]; then
    cross/setup smoke
    mkdir -p target/cross
    export REACHD_LAB="$PWD/target/cross/lab.$$"
    alone=(unshare --net --mount --pid --fork --kill-child --mount-proc)
    [ "$(id -u)" = 0 ] || alone=(unshare --user --map-root-user "${alone[@]:1}")
    if ! "${alone[@]}" true 2>/dev/null; then
        echo "${0##*/}: skipped: no namespaces here; run it as root" >&2
        exit 77
    fi
    "${alone[@]}" "$0" "$@" && code=0 || code=$?
    rm -rf "$REACHD_LAB"
    exit $code
fi

lab=$REACHD_LAB
trap 'exit 130' INT TERM
mkdir -p "$lab"

ip link set lo up
unshare --net sleep infinity &
internet=$!
there() { nsenter --target "$internet" --net "$@"; }
# until NAME OF WHAT, SECONDS, COMMAND...: waits for the command to succeed.
until_ok() {
    local what=$1 tries=$(($2 * 20))
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "${0##*/}: gave up waiting for $what" >&2; return 1; }
        sleep 0.05
    done
}
elsewhere() { [ "$(readlink "/proc/$internet/ns/net")" != "$(readlink /proc/$$/ns/net)" ]; }
until_ok 'a second namespace' 5 elsewhere

ip link add wan0 type veth peer name isp0 netns "$internet"
there ip link set lo up
there ip address add 203.0.113.1/24 dev isp0
v6=0
there ip -6 address add 2001:db8:1::1/64 dev isp0 nodad 2>/dev/null && v6=1
there ip link set isp0 up
ip link set wan0 up

address() {
    ip -4 address flush dev wan0
    ip address add "203.0.113.$1/24" dev wan0
    ip route replace default via 203.0.113.1
    if [ "$v6" = 1 ]; then
        ip -6 address flush dev wan0 scope global
        ip -6 address add "2001:db8:1::$1/64" dev wan0 nodad
        ip -6 route replace default via 2001:db8:1::1
    fi
}

# --- BIND ------------------------------------------------------------------------------------
mkdir -p "$lab/bind"
tsig-keygen -a hmac-sha256 ddns-key >"$lab/bind/key.conf"
secret=$(sed -n 's/.*secret "\(.*\)".*/\1/p' "$lab/bind/key.conf")
zone='$TTL 60
@ IN SOA ns1 host ( 1 3600 600 86400 60 )
@ IN NS ns1
ns1 IN A 203.0.113.1'
printf '%s\n' "$zone" >"$lab/bind/db.example.test"
printf '%s\napi IN A 203.0.113.1\n' "$zone" >"$lab/bind/db.cloudflare.test"
[ "$v6" = 0 ] || echo 'api IN AAAA 2001:db8:1::1' >>"$lab/bind/db.cloudflare.test"
cat >"$lab/bind/named.conf" <<EOF
include "$lab/bind/key.conf";
controls { };
options {
    directory "$lab/bind"; pid-file none; session-keyfile "session.key";
    managed-keys-directory "."; lock-file none; recursion no; dnssec-validation no; notify no;
    empty-zones-enable no; allow-query { any; };
    listen-on { 203.0.113.1; }; listen-on-v6 { any; };
};
zone "example.test" { type primary; file "db.example.test";
    update-policy { grant ddns-key zonesub A AAAA; }; };
zone "cloudflare.test" { type primary; file "db.cloudflare.test"; };
EOF
there /usr/sbin/named -g -c "$lab/bind/named.conf" >"$lab/bind/log" 2>&1 &
held() { there dig +short +tries=1 +time=2 @203.0.113.1 "$1.example.test" "$2"; }
until_ok 'BIND; its log is '"$lab/bind/log" 20 there dig +short +tries=1 +time=1 @203.0.113.1 example.test SOA
echo 'nameserver 203.0.113.1' >"$lab/resolv.conf"
mount --bind "$lab/resolv.conf" "$(readlink -f /etc/resolv.conf)"

# --- the fake Cloudflare, with a CA that signs by RSA and a server key that is EC ----------------
ca() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$lab/$1.key" \
        -out "$lab/$1.pem" -addext keyUsage=critical,keyCertSign 2>/dev/null
}
ca root
ca stranger
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=api.cloudflare.test \
    -keyout "$lab/server.key" -out "$lab/server.csr" 2>/dev/null
openssl x509 -req -in "$lab/server.csr" -CA "$lab/root.pem" -CAkey "$lab/root.key" -days 2 \
    -CAcreateserial -out "$lab/server.pem" -extfile <(
        printf '%s\n' subjectAltName=DNS:api.cloudflare.test basicConstraints=CA:FALSE \
            extendedKeyUsage=serverAuth
    ) 2>/dev/null
cloudflare=$lab/cloudflare.log
: >"$cloudflare"
listen=203.0.113.1
[ "$v6" = 0 ] || listen=::
there python3 cross/fake_cloudflare.py "$listen" 443 "$lab/server.pem" "$lab/server.key" \
    lab-token example.com "$cloudflare" 2>"$lab/cloudflare.err" &
until_ok "the fake Cloudflare" 20 there openssl s_client -connect 203.0.113.1:443 </dev/null ||
    { cat "$lab/cloudflare.err" >&2; exit 1; }

# configure NAME [CA_FILE] [ACCOUNT...]: names NAME.example.test at BIND (account lab) and
# NAME.example.com at the fake Cloudflare (account cf); all accounts if none is named.
configure() {
    local name=$1 ca=${2:-$lab/root.pem} families account zone
    shift; [ $# = 0 ] || shift
    [ $# -gt 0 ] || set -- lab cf
    mkdir -p "$lab/$name"
    printf '%s\n' "$secret" >"$lab/$name/key"
    printf '%s\n' lab-token >"$lab/$name/token"
    families="	list family 'ipv4'"
    [ "$v6" = 0 ] || families+=$'\n'"	list family 'ipv6'"
    {
        cat <<EOF
config reachd 'main'
	option journal '$lab/$name/journal'
	list assume_public '203.0.113.0/24'
	list assume_public '2001:db8::/32'

config account 'lab'
	option provider 'rfc2136'
	option server '203.0.113.1'
	option zone 'example.test'
	option key_name 'ddns-key'
	option key_algorithm 'hmac-sha256'
	option key_secret_file '$lab/$name/key'

config account 'cf'
	option provider 'cloudflare'
	option token_file '$lab/$name/token'
	option url 'https://api.cloudflare.test/client/v4'
	option ca_file '$ca'
EOF
        for account; do
            zone=example.test
            [ "$account" = lab ] || zone=example.com
            cat <<EOF

config name 'home_$account'
	option fqdn '$name.$zone'
	option account '$account'
	option wan 'wan0'
	option ttl '60'
$families
EOF
        done
    } >"$lab/$name/config"
    chmod 600 "$lab/$name"/*
}
