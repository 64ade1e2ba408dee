/* When pickup directories are looked through, and what is told of it. Must never look into one
 * itself: that may wait. */
#include "daemon/pickup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/errors.h"
#include "base/text.h"
#include "daemon/events.h"
#include "daemon/pickup_database.h"
#include "daemon/pickup_former.h"
#include "daemon/submit_database.h"
#include "queue/timer.h"
#include "spool/pickup.h"

#define COMING (IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB)
#define GOING (IN_MOVED_FROM | IN_DELETE)
#define EVENTS (COMING | GOING | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define LOST (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

#define TOGETHER (20 * USEC_PER_SEC / 1000) /* what comes within is taken in one pass */
/* For what no event tells: files written through another machine, and a directory that is there
 * again. */
#define LOOK_AGAIN USEC_PER_MINUTE
/* For a database that is there again. */
#define ASK_AGAIN (5 * USEC_PER_SEC)

typedef struct Place {
    Pickup *pickup;
    char *path, *pattern;
    bool dot_stuffed, gone; /* `gone`: it is no longer configured */
    sd_event_source *watch, *timer, *ended;
    Job *job;     /* of a pass */
    usec_t began; /* (monotonic) */
    bool noticed; /* something has come since it began */
    bool unsure;  /* what a pass before has begun is to be ended first */
    char *told;   /* what was last wrong with the directory; NULL: nothing */
    char *noted;  /* the same, and refused files */
} Place;

struct Pickup {
    sd_event *loop;
    Worker *worker;
    Log *log;
    const PickupHandlers *handlers;
    void *user;
    char *queue;
    char *database; /* its connection string; NULL: the directory has the queue */
    uint64_t max_bytes;
    usec_t settle;
    Place **places;
    size_t n;
    PickupFormer *former;
};

/* ---- a pass, beside the loop ---- */

typedef struct Task {
    SpoolPickup pickup;
    char *strings[3]; /* its */
    SpoolPickupSink sink;
    SubmitLink *link; /* NULL: messages go into the queue directory */
    bool recovers;
    SpoolPickupResult result;
    int error; /* with `failure`; 1: the directory can be used, and the failure says what is not
                * good about it */
    Failure failure;
} Task;

static void run(void *argument)
{
    Task *task = argument;
    Failure warning = {0};

    task->sink = pickup_database_sink(task->link);
    task->pickup.sink = task->link ? &task->sink : NULL;
    task->error = spool_pickup_pass(&task->pickup, task->recovers, &task->result, &task->failure);
    if (task->error < 0)
        return;
    if (task->result.trouble.number != 0) {
        task->error = 1;
        (void)failure_set(&task->failure, 0, task->result.trouble.number, "%s",
            failure_text(&task->result.trouble));
        return;
    }
    task->error = spool_pickup_check(task->pickup.queue, task->pickup.directory, &warning);
    failure_done(&task->failure);
    task->failure = warning;
}

static void drop(void *argument)
{
    Task *task = argument;

    for (size_t i = 0; i < ELEMENTSOF(task->strings); i++)
        free(task->strings[i]);
    submit_link_free(task->link);
    spool_pickup_result_done(&task->result);
    failure_done(&task->failure);
    free(task);
}

static const JobKind kind = {
    "taking from pickup directories", run, drop, .limit = 4, .limit_of_key = 1};

static Task *task_new(const Place *place)
{
    const Pickup *pickup = place->pickup;
    Task *task = calloc(1, sizeof(*task));

    if (!task)
        return NULL;
    task->strings[0] = strdup(pickup->queue);
    task->strings[1] = strdup(place->path);
    task->strings[2] = strdup(place->pattern);
    if (!task->strings[0] || !task->strings[1] || !task->strings[2] ||
        (pickup->database && submit_link_new(pickup->database, &task->link) < 0)) {
        drop(task);
        return NULL;
    }
    task->recovers = place->unsure;
    task->pickup = (SpoolPickup){.queue = task->strings[0],
        .directory = task->strings[1],
        .pattern = task->strings[2],
        .dot_stuffed = place->dot_stuffed,
        .max_bytes = pickup->max_bytes,
        .settle = pickup->settle};
    return task;
}

/* ---- what is told ---- */

/* Once, and again when it is something else. */
static void tell_directory(Place *place, const Failure *failure)
{
    const char *text = failure ? failure_text(failure) : NULL;

    if (text_equal(place->told ?: "", text ?: ""))
        return;
    free(place->told);
    place->told = text ? strdup(text) : NULL;
    if (failure)
        event_problem(place->pickup->log, &(ProblemReport){.failure = failure});
}

/* For who asks, until it is no more so; beside the directory, which the text need not name. */
static void note(Place *place, const Failure *failure)
{
    const char *text = failure ? failure_text(failure) : NULL;
    size_t n = strlen(place->path);
    _cleanup_failure_ Failure f = {0};

    if (text_equal(place->noted ?: "", text ?: ""))
        return;
    free(place->noted);
    place->noted = text ? strdup(text) : NULL;
    if (text && strncmp(text, place->path, n) == 0 && strncmp(text + n, ": ", 2) == 0)
        text += n + 2;
    if (text)
        (void)failure_set(&f, 0, failure->number, "%s", text);
    place->pickup->handlers->problem(place->pickup->user, place->path, text ? &f : NULL);
}

static void note_state(Place *place, const Task *task)
{
    const SpoolPickupResult *result = &task->result;
    _cleanup_failure_ Failure f = {0};

    if (task->error != 0) {
        note(place, &task->failure);
    } else if (result->n_bad > 0) {
        (void)failure_set(&f, 0, ERROR_FILE,
            "files here that could not be taken: %zu; the name of one is %s, and "
            "%.*s" SPOOL_PICKUP_REASON
            " says why; once that is mended, give it its old name again, or remove it",
            result->n_bad, result->bad, (int)(strlen(result->bad) - strlen(SPOOL_PICKUP_BAD)),
            result->bad);
        note(place, &f);
    } else {
        note(place, NULL);
    }
}

static void tell(Place *place, const Task *task)
{
    const SpoolPickupResult *result = &task->result;
    Log *log = place->pickup->log;

    for (size_t i = 0; i < result->n; i++) {
        const SpoolPickupFile *file = &result->files[i];

        if (file->id)
            event_picked_up(log, place->path, file->name, file->id, file->owner);
        else
            event_pickup_refused(
                log, place->path, file->name, file->bad, file->owner, &file->failure);
    }
    tell_directory(place, task->error != 0 ? &task->failure : NULL);
    if (!result->has_more && !result->busy)
        note_state(place, task);
}

/* ---- when ---- */

static void begin(Place *place);

static void arm(Place *place, usec_t delay)
{
    timer_disarm(place->timer);
    timer_arm(place->timer, delay);
}

static int on_timer(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    begin(user);
    return 0;
}

/* Refused files are looked at when one goes, and all others when one comes; names with a dot in
 * front are what a pass makes itself. */
static bool is_of_interest(const struct inotify_event *event)
{
    const char *name = event->len > 0 ? event->name : "";
    size_t n = strlen(name), m = strlen(SPOOL_PICKUP_BAD), k = strlen(SPOOL_PICKUP_REASON);

    if (n > k && strcmp(name + n - k, SPOOL_PICKUP_REASON) == 0)
        return false;
    if (n > m && strcmp(name + n - m, SPOOL_PICKUP_BAD) == 0)
        return event->mask & GOING;
    return name[0] != '.' && (event->mask & ~(uint32_t)GOING);
}

/* A file that comes has the directory looked through, soon, for others come with it. */
static int on_event(_unused_ sd_event_source *source, const struct inotify_event *event, void *user)
{
    Place *place = user;

    if (event->mask & LOST)
        place->watch = sd_event_source_disable_unref(place->watch);
    if (!is_of_interest(event))
        return 0;
    place->noticed = true;
    if (!place->job)
        arm(place, TOGETHER);
    return 0;
}

/* A directory that cannot be watched is told of by the pass. */
static void watch(Place *place)
{
    if (!place->watch)
        (void)sd_event_add_inotify(
            place->pickup->loop, &place->watch, place->path, EVENTS, on_event, place);
}

/* As long as the last pass took: who makes a directory long, and events all the time, has half of
 * one thread. */
static usec_t pause_after(const Place *place)
{
    return MAX(TOGETHER, MIN(clock_monotonic() - place->began, USEC_PER_SEC));
}

static int on_ended(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Place *place = user;
    const Task *task = job_argument(place->job);
    usec_t next = LOOK_AGAIN;

    tell(place, task);
    place->unsure = task->error < 0 || task->result.unended || (place->unsure && task->result.busy);
    if (task->error < 0 && place->watch)
        place->watch = sd_event_source_disable_unref(place->watch);
    if (task->error >= 0 && (place->noticed || task->result.has_more))
        next = task->result.has_more ? 0 : pause_after(place);
    else if (task->error >= 0 && task->result.again > 0)
        next = MIN(next, task->result.again);
    else if (task->link && task->error != 0 && task->failure.number == ERROR_DATABASE)
        next = ASK_AGAIN;
    place->ended = sd_event_source_disable_unref(place->ended);
    (void)job_free(place->job);
    place->job = NULL;
    arm(place, next);
    return 0;
}

/* What comes from now on is noticed before the directory is read, so that nothing is missed. */
static void begin(Place *place)
{
    const Pickup *pickup = place->pickup;
    Task *task;

    if (place->job)
        return;
    watch(place);
    place->noticed = false;
    place->began = clock_monotonic();
    task = task_new(place);
    if (task && worker_submit(pickup->worker, &kind, task->strings[1], task, &place->job) < 0) {
        drop(task);
        place->job = NULL;
    }
    if (!place->job || sd_event_add_io(pickup->loop, &place->ended, job_fd(place->job), EPOLLIN,
                           on_ended, place) < 0) {
        (void)job_free(place->job);
        place->job = NULL;
        arm(place, LOOK_AGAIN);
    }
}

/* ---- the directories ---- */

static void place_free(Place *place)
{
    if (!place)
        return;
    (void)sd_event_source_disable_unref(place->watch);
    (void)sd_event_source_disable_unref(place->timer);
    (void)sd_event_source_disable_unref(place->ended);
    (void)job_free(place->job);
    free(place->path);
    free(place->pattern);
    free(place->told);
    free(place->noted);
    free(place);
}

static Place *place_new(Pickup *pickup, const PickupDirectory *directory)
{
    Place *place = calloc(1, sizeof(*place));

    if (!place)
        return NULL;
    *place = (Place){.pickup = pickup,
        .path = strdup(directory->path),
        .pattern = strdup(directory->pattern),
        .dot_stuffed = directory->dot_stuffed,
        .unsure = true};
    if (!place->path || !place->pattern ||
        timer_new(pickup->loop, on_timer, place, &place->timer) < 0 ||
        sd_event_source_set_time_accuracy(place->timer, TOGETHER) < 0) {
        place_free(place);
        return NULL;
    }
    return place;
}

static Place *find(const Pickup *pickup, const PickupDirectory *directory)
{
    for (size_t i = 0; i < pickup->n; i++)
        if (pickup->places[i] && text_equal(pickup->places[i]->path, directory->path) &&
            text_equal(pickup->places[i]->pattern, directory->pattern) &&
            pickup->places[i]->dot_stuffed == directory->dot_stuffed)
            return pickup->places[i];
    return NULL;
}

/* Those that stay go on as they are. */
static int take_directories(Pickup *pickup, const Config *config)
{
    size_t n;
    const PickupDirectory *directories = pickup_list_directories(config->spool.pickup, &n);
    Place **places = calloc(MAX(n, (size_t)1), sizeof(*places));

    if (!places)
        return -ENOMEM;
    for (size_t i = 0; i < pickup->n; i++)
        pickup->places[i]->gone = true;
    for (size_t i = 0; i < n; i++) {
        places[i] = find(pickup, &directories[i]) ?: place_new(pickup, &directories[i]);
        if (places[i])
            places[i]->gone = false;
    }
    for (size_t i = 0; i < pickup->n; i++)
        if (pickup->places[i]->gone) {
            pickup->handlers->problem(pickup->user, pickup->places[i]->path, NULL);
            place_free(pickup->places[i]);
        }
    free(pickup->places);
    pickup->places = places;
    pickup->n = 0;
    for (size_t i = 0; i < n; i++)
        if (places[i])
            places[pickup->n++] = places[i];
    return pickup->n == n ? 0 : -ENOMEM;
}

void pickup_configure(Pickup *pickup, const Config *config)
{
    _cleanup_failure_ Failure f = {0};
    int r;

    if (!pickup)
        return;
    pickup_former_configure(pickup->former, config);
    pickup->max_bytes = config->spool.submit_max_size;
    pickup->settle = config->spool.settle;
    r = take_directories(pickup, config);
    if (r < 0) {
        (void)failure_set_errno(&f, r, "cannot take from all pickup directories");
        event_problem(pickup->log, &(ProblemReport){.failure = &f});
    }
    for (size_t i = 0; i < pickup->n; i++)
        if (!pickup->places[i]->job)
            arm(pickup->places[i], 0);
}

int pickup_new(sd_event *loop, Worker *worker, Log *log, Config *config,
    const PickupHandlers *handlers, void *user, Pickup **ret)
{
    _cleanup_(pickup_free_p) Pickup *pickup = calloc(1, sizeof(*pickup));
    int r;

    if (!pickup)
        return -ENOMEM;
    *pickup = (Pickup){.loop = loop,
        .worker = worker,
        .log = log,
        .handlers = handlers,
        .user = user,
        .queue = strdup(config->spool.directory),
        .database = config->spool.database ? strdup(config->spool.database) : NULL};
    if (!pickup->queue || (config->spool.database && !pickup->database))
        return -ENOMEM;
    r = pickup_former_new(loop, worker, log, config, &pickup->former);
    if (r < 0)
        return r;
    pickup_configure(pickup, config);
    *ret = TAKE_PTR(pickup);
    return 0;
}

void pickup_free(Pickup *pickup)
{
    if (!pickup)
        return;
    for (size_t i = 0; i < pickup->n; i++)
        place_free(pickup->places[i]);
    pickup_former_free(pickup->former);
    free(pickup->places);
    free(pickup->queue);
    if (pickup->database)
        explicit_bzero(pickup->database, strlen(pickup->database));
    free(pickup->database);
    free(pickup);
}
