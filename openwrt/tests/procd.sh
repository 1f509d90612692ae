# Stands in for rc.common, functions.sh and procd.sh: notes what an init script asks of procd, one
# call a line in $CALLS, and reads configs that are written plainly (one option a line).
# Usage: ash procd.sh INIT_SCRIPT ACTION

note() {
	printf '%s\n' "$*" >>"$CALLS"
}

for name in open_instance close_instance set_param append_param add_jail add_jail_mount \
	add_jail_mount_rw add_reload_trigger add_config_trigger send_signal; do
	eval "procd_$name() { note procd_$name \"\$@\"; }"
done

config_load() {
	grep -q unreadable "$UCI_FILE" && return 1
	SECTIONS=$(sed -n "s/^config \([a-z]*\) '\(.*\)'.*/\1:\2/p" "$UCI_FILE")
}

config_foreach() {
	for section in $SECTIONS; do
		[ "${section%%:*}" != "$2" ] || "$1" "${section#*:}"
	done
}

config_get() {
	value=$(sed -n "/^config .*'$2'/,/^config .*'[^$2]/s/^[[:space:]]*option $3 '\(.*\)'/\1/p" "$UCI_FILE")
	eval "$1=\${value:-\$4}"
}

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}

logger() {
	note logger "$@"
}

. "$1"
action=$2
case "$action" in
start) start_service ;;
triggers) service_triggers ;;
*) "$action" ;;
esac
