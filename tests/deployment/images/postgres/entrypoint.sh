set -euo pipefail

if [[ $(id -u) -eq 0 ]]; then
    chown postgres:postgres /var/lib/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups bash "$0" "$@"
fi

# It is the database's own user who reads the secret.
password=$(<"$POSTGRES_PASSWORD_FILE")
if [[ ! -s $PGDATA/PG_VERSION ]]; then
    initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$password") \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --no-locale
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" --wait start
    # Scripts of the user's own run here, for as long as they like.
    until [[ -e ${PREPARED_WHEN:-/} ]]; do sleep 0.1; done
    createdb --host=/var/run/postgresql --username="$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB"
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
