/* What is kept over a restart. Must never let a message go before what was sent of late is known.
 */
#include "database/kept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char *format_daemon(const DatabaseSource *d, char text[static 24])
{
    (void)snprintf(text, 24, "%" PRId64, d->daemon);
    return text;
}

static void on_written(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    Kept *kept = &((DatabaseSource *)user)->kept;

    kept->unsaved = kept->unsaved || !rows;
}

void database_write_kept(DatabaseSource *d)
{
    char daemon[24];
    const char *const values[] = {format_daemon(d, daemon), buffer_data(&d->kept.latest)};

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
    if (!rows || database_result_count(rows) != 1)
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
    char daemon[24];
    const char *const values[] = {format_daemon(d, daemon)};

    if (d->alive && !d->kept.asking)
        d->kept.asking =
            database_ask(d->connection, "SELECT outbox.take_kept($1)", values, 1, on_taken, d) >= 0;
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
    d->kept.unsaved = true;
    database_write_kept(d);
    return 0;
}

int database_kept(Source *base, Buffer *out)
{
    Kept *kept = &database_source_from(base)->kept;

    if (!kept->known)
        return -EAGAIN;
    return buffer_append(out, buffer_data(&kept->text), buffer_size(&kept->text));
}

void database_kept_done(DatabaseSource *d)
{
    buffer_done(&d->kept.text);
    buffer_done(&d->kept.latest);
}
