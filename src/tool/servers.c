/* What the processes that deliver say of themselves. Must never count one that is dead among those
 * who live. */
#include "tool/servers.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "base/macros.h"
#include "base/text.h"
#include "settings/load.h"
#include "tool/json.h"

const char *servers_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

long long servers_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

usec_t servers_time(const json_t *object, const char *name)
{
    const char *text = servers_text(object, name);
    usec_t time = 0;

    return text && clock_parse_rfc3339(text, &time) == 0 ? time : 0;
}

/* Minutes that have passed since the state was written count as such without a message. */
uint64_t servers_rate(const json_t *server, usec_t now, unsigned minutes)
{
    const json_t *rates = json_object_get(server, "rates"), *sent = json_object_get(rates, "sent");
    uint64_t first = (uint64_t)servers_number(rates, "minute"), n = 0;
    uint64_t passed = now / USEC_PER_MINUTE - MIN(first, now / USEC_PER_MINUTE);

    for (size_t i = 0; i + passed < minutes && i < json_array_size(sent); i++)
        n += (uint64_t)json_integer_value(json_array_get(sent, i));
    return n;
}

/* Whoever answers says so: one of a former version does not. When one that does not answer gave its
 * last sign of life is told with what it said then. */
static int await_answer(Servers *servers, size_t i, usec_t asked)
{
    json_t *state = servers->live[i];
    usec_t silent = json_is_true(json_object_get(state, "answers"))
                        ? presence_await_answer(servers->spool, servers->place[i], asked)
                        : 0;

    servers->silent[i] = silent;
    if (silent > 0 && json_object_set_new(state, "answers", json_false()) < 0)
        return -ENOMEM;
    return json_object_set_new(state, "silent_since", json_time(silent)) < 0 ? -ENOMEM : 0;
}

/* All were asked by having been read, and are waited for together. */
static int await_answers(Servers *servers)
{
    usec_t asked = clock_monotonic();
    int r = 0;

    for (size_t i = 0; i < servers->n && r >= 0; i++)
        r = await_answer(servers, i, asked);
    return r;
}

/* Who was only passing is no daemon that has ended. */
static void add_dead(Servers *servers, json_t *state)
{
    if (json_is_true(json_object_get(state, "passing"))) {
        json_decref(state);
        return;
    }
    if (!servers->last || servers_time(servers->last, "time") < servers_time(state, "time")) {
        json_decref(servers->last);
        servers->last = state;
    } else {
        json_decref(state);
    }
}

/* Whether the relays are those that it says it has: it may have read another one since. */
static bool is_its_own(const json_t *relays, const Config *config)
{
    bool same = json_array_size(relays) == config->n_relays;

    for (size_t i = 0; same && i < config->n_relays; i++)
        same = text_equal(servers_text(json_array_get(relays, i), "name"), config->relays[i]->name);
    return same;
}

/* By which rules it sends, where it has some that this user may read. 0 or -ENOMEM. */
static int find_rules(Servers *servers, size_t i)
{
    const char *path = servers_text(servers->live[i], "configuration");
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = path ? config_load(path, NULL, &config, &f) : -ENOENT;

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    if (config->rules && is_its_own(json_object_get(servers->live[i], "relays"), config))
        servers->by_rules[i] = TAKE_PTR(config);
    return 0;
}

static bool has_no_room(const Spool *spool)
{
    struct statvfs fs;

    return fstatvfs(spool_directory_fd(spool), &fs) == 0 &&
           (fs.f_bavail == 0 || (fs.f_files > 0 && fs.f_favail == 0));
}

int servers_look(const Spool *spool, Servers *ret)
{
    _cleanup_buffer_ Buffer text = {0};
    int r;

    *ret = (Servers){.spool = spool};
    for (unsigned i = 0; i < PRESENCE_MAX; i++) {
        bool lives = false;
        json_t *state = NULL;

        r = presence_look(spool, i, &text, &lives);
        if (r >= 0)
            state = json_loadb(buffer_data(&text), buffer_size(&text), 0, NULL);
        if (json_is_object(state) && lives) {
            ret->place[ret->n] = i;
            ret->live[ret->n++] = state;
        } else if (json_is_object(state)) {
            add_dead(ret, state);
        } else {
            json_decref(state);
        }
        if (r == -ENOMEM)
            break;
    }
    if (r != -ENOMEM)
        r = await_answers(ret);
    for (size_t i = 0; i < ret->n && r >= 0; i++)
        r = find_rules(ret, i);
    if (r < 0) {
        servers_done(ret);
        return r;
    }
    ret->looked = clock_realtime();
    ret->unknown = ret->n == 0 && presence_is_anybody(spool);
    ret->full = has_no_room(spool);
    return 0;
}

void servers_done(Servers *servers)
{
    for (size_t i = 0; i < servers->n; i++) {
        json_decref(servers->live[i]);
        (void)config_unref(servers->by_rules[i]);
    }
    json_decref(servers->last);
    *servers = (Servers){0};
}
