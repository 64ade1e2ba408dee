/* What is kept over a restart. Must never let a message go before what was sent of late is known.
 */
#include "database/kept.h"

#include <errno.h>

static void on_written(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    Kept *kept = &((DatabaseSource *)user)->kept;

    kept->unsaved = kept->unsaved || !rows;
}

void database_write_kept(DatabaseSource *d)
{
    char daemon[DAEMON_TEXT_MAX];
    const char *const values[] = {database_format_daemon(d, daemon), buffer_data(&d->kept.latest)};

    if (!d->kept.unsaved || !d->alive || !d->kept.known)
        return;
    d->kept.unsaved =
        database_ask(d->connection, "SELECT outbox.keep($1, $2)", values, 2, on_written, d) < 0;
}

/* Of a lease that was lost the engine knows all that it left. */
static void on_taken(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    bool first = !d->kept.known;
    size_t n;
    const char *text;

    d->kept.asking = false;
    if (!rows || database_result_count(rows) != 1 || database_result_truth(rows, 0, 1))
        return;
    text = database_result_bytes(rows, 0, 0, &n);
    if (first && buffer_append(&d->kept.text, text, n) < 0)
        return;
    d->kept.known = true;
    d->kept.unsaved = buffer_size(&d->kept.latest) > 0;
    database_write_kept(d);
    database_wake(d);
}

void database_take_kept(DatabaseSource *d)
{
    static const char statement[] = "SELECT text, later FROM outbox.take_kept($1, $2)";
    char daemon[DAEMON_TEXT_MAX];
    const char *const values[] = {database_format_daemon(d, daemon), DATABASE_LEASE};

    if (d->alive && !d->kept.asking)
        d->kept.asking = database_ask(d->connection, statement, values, 2, on_taken, d) >= 0;
}

/* ---- what the engine asks ---- */

int database_keep(Source *base, const void *data, size_t n)
{
    DatabaseSource *d = database_source_from(base);

    buffer_clear(&d->kept.latest);
    if (buffer_append(&d->kept.latest, data, n) < 0 || buffer_append(&d->kept.latest, "", 1) < 0) {
        buffer_clear(&d->kept.latest);
        return -ENOMEM;
    }
    d->kept.unsaved = d->kept.shared = true;
    database_write_kept(d);
    return 0;
}

int database_kept(Source *base, Buffer *out)
{
    Kept *kept = &database_source_from(base)->kept;

    kept->shared = true;
    kept->wanted = !kept->known;
    if (kept->wanted)
        return -EAGAIN;
    return buffer_append(out, buffer_data(&kept->text), buffer_size(&kept->text));
}

/* ---- of others ---- */

static void on_others(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    const char *text;
    size_t n;

    if (!rows || database_result_count(rows) != 1 || !d->share_limits)
        return;
    text = database_result_bytes(rows, 0, 0, &n);
    buffer_clear(&d->kept.others);
    d->kept.news = buffer_append(&d->kept.others, text, n) >= 0;
}

void database_ask_others(DatabaseSource *d)
{
    char daemon[DAEMON_TEXT_MAX];
    const char *const values[] = {database_format_daemon(d, daemon)};

    if (d->kept.shared && d->share_limits)
        (void)database_ask(
            d->connection, "SELECT outbox.kept_by_others($1)", values, 1, on_others, d);
}

void database_forget_others(DatabaseSource *d)
{
    buffer_clear(&d->kept.others);
    d->kept.news = d->kept.shared;
}

int database_others(Source *base, Buffer *out)
{
    Kept *kept = &database_source_from(base)->kept;
    int r;

    if (!kept->news)
        return 0;
    r = buffer_append(out, buffer_data(&kept->others), buffer_size(&kept->others));
    kept->news = r < 0;
    return r < 0 ? r : 1;
}

void database_kept_done(DatabaseSource *d)
{
    buffer_done(&d->kept.text);
    buffer_done(&d->kept.latest);
    buffer_done(&d->kept.others);
}
