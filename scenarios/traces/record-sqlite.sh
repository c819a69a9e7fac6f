#!/usr/bin/env bash
# Records the sqlite3 shell on a database in memory: 3,000 rows with an index, then 300 queries and 300 updates, each a
# statement of its own. Writes the trace to the path given, or to sqlite.pbtrace beside this script. Playing the trace needs
# none of this.
#   record-sqlite.sh [TRACE]
# Debian package: sqlite3. POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need sqlite3
trace=${1:-$here/sqlite.pbtrace}

{
    cat <<'END'
create table orders(id integer primary key, customer text, item text, amount integer);
create index by_customer on orders(customer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
    insert into orders select i, 'customer ' || (i * 7919 % 211), 'item ' || (i % 37), i * 31 % 1000 from n;
select customer, sum(amount) s from orders group by customer order by s desc limit 5;
END
    for ((i = 1; i <= 300; i++)); do
        echo "select item, amount from orders where customer = 'customer $((i % 211))' and amount > $((i * 13 % 900)) order by amount;"
        echo "update orders set amount = amount + 1 where id = $((i * 17 % 3000));"
    done
} >"$work/statements.sql"
"$poolbuf" record -o "$trace" -- sqlite3 -batch -init /dev/null :memory: <"$work/statements.sql" >"$work/out"
