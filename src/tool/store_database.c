/* A queue in PostgreSQL as the tool's store: each question is one function of the schema's section
 * "Looking and changing". Must never have more than a page of messages in memory, unless they are
 * sorted, nor the whole content of one. */
#include "tool/store_database.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "database/libpq.h"
#include "database/schema.h"
#include "tool/json.h"
#include "tool/store.h"

#define PAGE 500 /* messages that are fetched together */
#define NUMBER_MAX 24

typedef struct DatabaseStore {
    Store base;
    Database *database;
    char *name;
    char user[NUMBER_MAX]; /* whose messages alone are there; "": all */
} DatabaseStore;

static DatabaseStore *database_of(Store *store)
{
    return (DatabaseStore *)store;
}

static int ask(Store *store, const char *statement, const char *const *values, unsigned n,
    DatabaseRows *ret, Failure *f)
{
    return store_ask(database_of(store)->database, statement, values, n, ret, f);
}

/* Without secrets: "postgresql://HOST:PORT/NAME", of a socket "postgresql:///NAME". */
static char *name_database(const Database *database)
{
    const Libpq *pq = database->pq;
    const char *host = pq->host(database->conn) ?: "", *name = pq->db(database->conn);
    char *text;
    int r = *host == '/' || !*host
                ? asprintf(&text, "postgresql:///%s", name)
                : asprintf(&text, "postgresql://%s:%s/%s", host, pq->port(database->conn), name);

    return r < 0 ? NULL : text;
}

static char *copy_at(const DatabaseRows *rows, int row, int column, int *r)
{
    const char *text = database_field(rows, row, column);
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        *r = -ENOMEM;
    return copy;
}

static int no_memory(Store *store, Failure *f)
{
    return failure_set_errno(f, -ENOMEM, "cannot read %s", store->name);
}

/* ---- looking ---- */

/* The parameters of outbox.list(), in its order. */
enum {
    LIST_IDS,
    LIST_STATES,
    LIST_OWNER,
    LIST_OLDER,
    LIST_FROM,
    LIST_TO,
    LIST_TEXT,
    LIST_RELAY,
    LIST_AFTER,
    LIST_SORT,
    LIST_REVERSE,
    LIST_MOST,
    LIST_NAMES,
    LIST_MAX,
};

#define LIST                                                                               \
    "SELECT id, state, uid, bytes, " MICROSECONDS("queued") ", " MICROSECONDS(             \
        "next") ", attempts, sender, to_json(recipients), delivered, text, relay, role, "  \
                "lane, " MICROSECONDS("declined") " FROM "                                 \
                                                  "outbox.list("                           \
                                                  "$1::bigint[], $2::text[], $3::bigint, " \
                                                  "$4::interval, $5::text, $6::text, "     \
                                                  "$7::text, "                             \
                                                  "$8::text, $9::bigint, $10::text, "      \
                                                  "$11::boolean, $12::bigint, $13::boolean)"

typedef struct Listing {
    const char *values[LIST_MAX];
    char states[80], older[64], uid[NUMBER_MAX], after[NUMBER_MAX], most[NUMBER_MAX];
} Listing;

static int take_recipients(Inspection *i, const char *text)
{
    json_t *name, *names = text ? json_loads(text, 0, NULL) : NULL;
    size_t n;
    int r = 0;

    i->recipients = calloc(json_array_size(names) + 1, sizeof(char *));
    if (!i->recipients)
        r = -ENOMEM;
    json_array_foreach(names, n, name)
    {
        if (r < 0)
            break;
        i->recipients[n] = strdup(json_string_value(name) ?: "?");
        if (i->recipients[n])
            i->n_recipients++;
        else
            r = -ENOMEM;
    }
    json_decref(names);
    return r;
}

/* 0; -ENOMEM; or -EPROTO for a state that this program does not know. */
static int take_row(const DatabaseRows *rows, int row, bool names_only, Inspection *ret)
{
    Inspection i = {.owner = FILE_OWNER_UNKNOWN};
    const char *state = database_field(rows, row, 1);
    int r = state && spool_state_parse(state, &i.state) == 0 ? 0 : -EPROTO;

    i.id = copy_at(rows, row, 0, &r);
    if (!names_only) {
        if (database_field(rows, row, 2))
            i.owner = (uid_t)store_number(rows, row, 2);
        i.size = store_number(rows, row, 3);
        i.arrival = store_number(rows, row, 4);
        i.next = store_number(rows, row, 5);
        i.attempts = (unsigned)store_number(rows, row, 6);
        i.sender = copy_at(rows, row, 7, &r);
        if (r >= 0)
            r = take_recipients(&i, database_field(rows, row, 8));
        i.n_delivered = store_number(rows, row, 9);
        i.text = copy_at(rows, row, 10, &r);
        i.relay = copy_at(rows, row, 11, &r);
        i.role = copy_at(rows, row, 12, &r);
        i.lane = copy_at(rows, row, 13, &r);
        i.declined = store_number(rows, row, 14);
    }
    if (r < 0)
        inspection_done(&i);
    else
        *ret = i;
    return r;
}

/* The states that are looked for; NULL: any. "{}": none. */
static void choose_states(const StoreQuery *query, Listing *l)
{
    bool all = true;

    strcpy(l->states, "{");
    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++) {
        bool wanted = (!query->selection || selection_has_state(query->selection, s)) &&
                      (!query->applies || query->applies(s));

        all = all && wanted;
        if (wanted)
            snprintf(l->states + strlen(l->states), sizeof(l->states) - strlen(l->states), "%s%s",
                l->states[1] ? "," : "", spool_state_name(s));
    }
    strcat(l->states, "}");
    l->values[LIST_STATES] = all ? NULL : l->states;
}

static void choose(Store *store, const StoreQuery *query, Listing *l)
{
    const DatabaseStore *d = database_of(store);
    const Selection *s = query->selection;

    l->values[LIST_OWNER] = *d->user ? d->user : NULL;
    l->values[LIST_REVERSE] = query->reverse ? "true" : "false";
    l->values[LIST_NAMES] = query->names_only ? "true" : "false";
    l->values[LIST_SORT] = store_order_name(query->order);
    choose_states(query, l);
    if (!s)
        return;
    l->values[LIST_FROM] = s->from;
    l->values[LIST_TO] = s->to;
    l->values[LIST_TEXT] = s->text;
    l->values[LIST_RELAY] = s->relay;
    if (s->older > 0) {
        snprintf(l->older, sizeof(l->older), "%" PRIu64 " seconds", s->older / USEC_PER_SEC);
        l->values[LIST_OLDER] = l->older;
    }
    if (s->has_uid && !*d->user) {
        snprintf(l->uid, sizeof(l->uid), "%u", s->uid);
        l->values[LIST_OWNER] = l->uid;
    }
}

/* How many rows there were, more than 0 where the looking is to end; or a negative errno. */
static int visit_page(Store *store, Listing *l, bool names_only, StoreVisit visit, void *user,
    unsigned *ret_n, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = ask(store, LIST, l->values, LIST_MAX, &rows, f);

    *ret_n = r < 0 ? 0 : rows.n;
    for (unsigned n = 0; r == 0 && n < *ret_n; n++) {
        _cleanup_(inspection_done) Inspection i = {0};

        snprintf(l->after, sizeof(l->after), "%s", database_field(&rows, n, 0));
        r = take_row(&rows, n, names_only, &i);
        if (r >= 0)
            r = visit(user, &i, f);
    }
    if (r == -ENOMEM && !f->text)
        return no_memory(store, f);
    return r == -EPROTO ? failure_set(f, r, ERROR_SPOOL,
                              "%s has a message in a state that this program does not know: use "
                              "the outbox that installed its schema",
                              store->name)
                        : r;
}

/* What is in the order of its ids comes in pages, else all at once. */
static int sql_look(Store *store, const StoreQuery *query, StoreVisit visit, void *user, Failure *f)
{
    bool pages = query->order <= STORE_BY_AGE && !query->reverse;
    Listing l = {.after = "0"};
    size_t seen = 0;
    unsigned n;
    int r = 0;

    choose(store, query, &l);
    if (query->selection && query->selection->has_uid && *database_of(store)->user &&
        query->selection->uid != strtoul(database_of(store)->user, NULL, 10))
        return 0;
    l.values[LIST_AFTER] = l.after;
    l.values[LIST_MOST] = l.most;
    if (query->takes_over)
        r = ask(store, "SELECT outbox.reap()", NULL, 0, NULL, f);
    do {
        size_t most = query->limit > 0 ? query->limit - seen : SIZE_MAX;

        if (pages)
            most = MIN(most, (size_t)PAGE);
        snprintf(l.most, sizeof(l.most), "%zu", MIN(most, (size_t)INT32_MAX));
        n = 0;
        if (r >= 0)
            r = visit_page(store, &l, query->names_only, visit, user, &n, f);
        seen += n;
    } while (r == 0 && pages && n == PAGE && (query->limit == 0 || seen < query->limit));
    return MIN(r, 0);
}

static int keep_first(void *user, Inspection *message, _unused_ Failure *f)
{
    *(Inspection *)user = *message;
    *message = (Inspection){0};
    return 1;
}

static int look_at(Store *store, const char *id, bool names_only, Inspection *ret, Failure *f)
{
    const DatabaseStore *d = database_of(store);
    char ids[NUMBER_MAX + 2];
    Listing l = {.values = {
                     [LIST_IDS] = ids,
                     [LIST_OWNER] = *d->user ? d->user : NULL,
                     [LIST_AFTER] = "0",
                     [LIST_REVERSE] = "false",
                     [LIST_MOST] = "1",
                     [LIST_NAMES] = names_only ? "true" : "false",
                 }};
    unsigned n;
    int r;

    if (!store_is_number(id))
        return -ENOENT;
    snprintf(ids, sizeof(ids), "{%s}", id);
    r = visit_page(store, &l, names_only, keep_first, ret, &n, f);
    return r < 0 ? r : n == 0 ? -ENOENT : 0;
}

static int sql_inspect(
    Store *store, const char *id, _unused_ SpoolState state, Inspection *ret, Failure *f)
{
    return look_at(store, id, false, ret, f);
}

static int sql_locate(Store *store, const char *id, SpoolState *ret, Failure *f)
{
    _cleanup_(inspection_done) Inspection i = {0};
    int r = look_at(store, id, true, &i, f);

    *ret = i.state;
    return r;
}

/* Its number alone is an id: there are no files that may be meant, and no beginnings. */
static int sql_find(Store *store, const char *argument, _unused_ bool (*applies)(SpoolState state),
    ToolMessage *ret)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    snprintf(ret->id, sizeof(ret->id), "%s", argument);
    r = sql_locate(store, argument, &ret->state, &f);
    if (r == -ENOENT)
        ret->state = SPOOL_STATE_MAX;
    return r < 0 && r != -ENOENT ? tool_fail(&f) : 0;
}

static int sql_record(
    Store *store, const char *id, _unused_ SpoolState state, json_t **ret, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    json_t *lines = json_array();
    int r = ask(store, "SELECT * FROM outbox.record_of($1)", (const char *[]){id}, 1, &rows, f);

    for (int n = 0; r >= 0 && n < rows.n; n++)
        if (json_array_append_new(lines, json_loads(database_field(&rows, n, 0), 0, NULL)) < 0)
            r = no_memory(store, f);
    if (r < 0)
        json_decref(lines);
    else
        *ret = lines;
    return r;
}

static usec_t sql_tried(Store *store, const char *id, SpoolState state)
{
    _cleanup_failure_ Failure f = {0};
    json_t *lines, *line;
    usec_t latest = 0;
    size_t n;

    if (!store_is_number(id) || sql_record(store, id, state, &lines, &f) < 0)
        return 0;
    json_array_foreach(lines, n, line)
    {
        if (!text_equal(servers_text(line, "event"), "deferred"))
            latest = MAX(latest, servers_time(line, "time"));
    }
    json_decref(lines);
    return latest;
}

/* ---- content ---- */

static int sql_open(
    Store *store, const char *id, _unused_ SpoolState state, uint64_t *ret_size, Failure *f)
{
    return database_fetch_content(database_of(store)->database, id, ret_size, f);
}

static int sql_envelope(Store *store, const ToolMessage *m, _unused_ int fd, _unused_ uint64_t size,
    Envelope *ret, size_t *n_had, Failure *f)
{
    return database_fetch_envelope(database_of(store)->database, m->id, false, ret, n_had, f);
}

Database *store_database_of(Store *store)
{
    return database_of(store)->database;
}

/* ---- changing ---- */

static int sql_change(Store *store, StoreChange change, StoreItem *items, size_t n, Failure *f)
{
    const DatabaseStore *d = database_of(store);

    return store_change(store, change, *d->user ? d->user : NULL, items, n, f);
}

/* ---- counting ---- */

static int sql_figures(Store *store, StoreFigures *ret, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = ask(store,
        "SELECT state, messages, bytes, " MICROSECONDS("oldest") ", " MICROSECONDS(
            "next") " FROM outbox.figures()",
        NULL, 0, &rows, f);

    for (int n = 0; r >= 0 && n < rows.n; n++) {
        const char *name = database_field(&rows, n, 0);
        SpoolState state;

        if (!name)
            ret->waiting = store_number(&rows, n, 3);
        if (!name || spool_state_parse(name, &state) < 0)
            continue;
        ret->states[state] = (StoreStateFigures){.messages = store_number(&rows, n, 1),
            .bytes = store_number(&rows, n, 2),
            .oldest = store_number(&rows, n, 3)};
        if (state == SPOOL_DEFERRED)
            ret->next = store_number(&rows, n, 4);
    }
    return r;
}

/* What one says of itself, and what the database knows of it. */
static int add_server(const DatabaseRows *rows, int n, Servers *ret)
{
    const char *said = database_field(rows, n, 6);
    json_t *state = said ? json_loads(said, 0, NULL) : NULL;
    bool alive = text_equal(database_field(rows, n, 4), "t");
    usec_t until = store_number(rows, n, 3);

    if (!json_is_object(state)) {
        json_decref(state);
        state = json_pack("{s:s}", "program", "outboxd");
    }
    if (json_object_set_new(state, "daemon", json_text(database_field(rows, n, 0))) < 0 ||
        json_object_set_new(state, "machine", json_text(database_field(rows, n, 1))) < 0 ||
        json_object_set_new(state, "lease", json_time(until)) < 0 ||
        json_object_set_new(state, "holds", json_integer((json_int_t)store_number(rows, n, 5))) <
            0 ||
        (!servers_text(state, "started") &&
            json_object_set_new(state, "started", json_time(store_number(rows, n, 2))) < 0)) {
        json_decref(state);
        return -ENOMEM;
    }
    ret->place[ret->n] = (unsigned)ret->n;
    ret->silent[ret->n] = alive ? 0 : until;
    ret->live[ret->n++] = state;
    return 0;
}

static int sql_servers(Store *store, Servers *ret, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = ask(store,
        "SELECT id, name, " MICROSECONDS("started") ", " MICROSECONDS(
            "until") ", alive, holds, figures FROM outbox.daemons()",
        NULL, 0, &rows, f);

    *ret = (Servers){.database = true, .looked = clock_realtime()};
    for (int n = 0; r >= 0 && n < rows.n && ret->n < SERVERS_MAX; n++)
        if (add_server(&rows, n, ret) < 0)
            r = no_memory(store, f);
    if (r < 0)
        servers_done(ret);
    return r;
}

static int sql_is_current(_unused_ Store *store)
{
    return 1;
}

static void sql_free(Store *store)
{
    DatabaseStore *d = database_of(store);

    database_close(d->database);
    free(d->name);
    free(d);
}

int store_of_database(const char *conninfo, const uid_t *user, Store **ret, Failure *f)
{
    static const StoreOps ops = {
        .look = sql_look,
        .find = sql_find,
        .locate = sql_locate,
        .inspect = sql_inspect,
        .record = sql_record,
        .tried = sql_tried,
        .open = sql_open,
        .envelope = sql_envelope,
        .change = sql_change,
        .figures = sql_figures,
        .servers = sql_servers,
        .is_current = sql_is_current,
        .free = sql_free,
    };
    DatabaseStore *d = calloc(1, sizeof(*d));
    int r = d ? database_open(conninfo, &d->database, f)
              : failure_set_errno(f, -ENOMEM, "cannot open the database");

    if (r >= 0)
        r = database_schema_may_operate(d->database, f);
    if (r >= 0) {
        d->name = name_database(d->database);
        r = d->name ? 0 : failure_set_errno(f, -ENOMEM, "cannot open the database");
    }
    if (r < 0) {
        if (d)
            sql_free(&d->base);
        return r;
    }
    d->base = (Store){.ops = &ops, .name = d->name};
    if (user)
        snprintf(d->user, sizeof(d->user), "%u", *user);
    *ret = &d->base;
    return 0;
}
