/* outboxd: from the command line to the running daemon, and from failures to exit statuses. Must
 * never do the daemon's work itself. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/secret.h"
#include "daemon/events.h"
#include "daemon/manager.h"
#include "daemon/options.h"
#include "daemon/submit_socket.h"
#include "database/source.h"
#include "net/relay_check.h"
#include "net/tls.h"
#include "queue/local.h"
#include "settings/load.h"
#include "spool/pickup.h"
#include "spool/spool.h"

/* Where nobody reads, that may wait for ever: signals are to end it then. */
static int fail(const Failure *failure, int status)
{
    manager_release_signals();
    fprintf(stderr, "outboxd: %d: %s\n", failure->number, failure_text(failure));
    return status;
}

/* The failure goes to the log, because nobody looks at a daemon's standard error. */
static int fail_log(Log *log, const Failure *failure, int status)
{
    event_problem(log, &(ProblemReport){.failure = failure});
    return status;
}

/* Who may not use the queue directory is told so by the status as well. */
static int start_status(int r, const Failure *failure)
{
    return r == -EACCES || r == -EPERM ? EX_NOPERM : error_status(failure->number);
}

/* The service manager does not start it again with a configuration that is wrong; what is short for
 * now is another matter. */
static int configuration_status(const Failure *failure)
{
    return error_status(failure->number) == EX_TEMPFAIL ? EX_TEMPFAIL : EX_CONFIG;
}

/* A token is asked once: who gets it wrong here would get it wrong with each connection. */
static int check_relay(const Config *config, const RelayConfig *relay)
{
    const char *path = config->path ?: "built-in settings";
    RelayJudgement judgement;
    int status = EX_OK;

    relay_check(relay, true, &judgement);
    if (judgement.notice)
        fprintf(stderr, "%s: relay %s: %s\n", path, relay->name, judgement.notice);
    if (judgement.error < 0) {
        fprintf(stderr, "%s: relay %s: %s\n", path, relay->name, failure_text(&judgement.failure));
        status = configuration_status(&judgement.failure);
    }
    relay_judgement_done(&judgement);
    return status;
}

static int check_queue(const Config *config, Failure *f)
{
    return config->spool.database ? database_source_check(config->spool.database, f)
                                  : spool_check(config->spool.directory, f);
}

/* A daemon that is to be started delivers from there, and serves that socket. */
static int check_places(const Config *config)
{
    const char *path = config->path ?: "built-in settings";
    _cleanup_failure_ Failure f = {0}, other = {0};
    int status = EX_OK;

    if (check_queue(config, &f) < 0) {
        fprintf(stderr, "%s: %s: %s\n", path,
            config->spool.database ? "spool.database" : "spool.directory", failure_text(&f));
        status = configuration_status(&f);
    }
    if (submit_socket_check(&config->spool, &other) < 0) {
        fprintf(stderr, "%s: %s\n", path, failure_text(&other));
        status = configuration_status(&other);
    }
    return status;
}

/* What can be used, but not well, is told, and is no reason not to start. */
static int check_pickup(const Config *config)
{
    size_t n;
    const PickupDirectory *directories = pickup_list_directories(config->spool.pickup, &n);
    int status = EX_OK;

    for (size_t i = 0; i < n; i++) {
        _cleanup_failure_ Failure f = {0};
        int r = spool_pickup_check(config->spool.directory, directories[i].path, &f);

        if (r != 0)
            fprintf(stderr, "%s: spool.pickup: %s\n", config->path ?: "built-in settings",
                failure_text(&f));
        if (r < 0)
            status = configuration_status(&f);
    }
    return status;
}

/* What is wrong there keeps the daemon from nothing: it is told, and no failure. */
static void check_names(const Options *options)
{
    _cleanup_local_ Local local = {0};
    _cleanup_failure_ Failure f = {0};
    Local known = {.node = "localhost"}; /* no name server is asked what this host is called */
    int r;

    (void)gethostname(known.node, sizeof(known.node) - 1);
    r = local_open_again(options->config_path, &known, &local, &f);

    if (r >= 0 && local.unread)
        fprintf(stderr, "local.aliases: %s cannot be read: %s\n", local.names.path, local.unread);
    if (r >= 0 && local_check(&local, &f) < 0)
        fprintf(stderr, "local.aliases: %s: %s\n", local.names.path, failure_text(&f));
}

static int check(const Options *options)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int status;

    if (config_load(options->config_path, options->overrides, &config, &f) < 0) {
        fprintf(stderr, "%s\n", failure_text(&f));
        return configuration_status(&f);
    }
    if (config->notices)
        fprintf(stderr, "%s\n", config->notices);
    status = check_places(config);
    if (status == EX_OK)
        status = check_pickup(config);
    for (size_t i = 0; i < config->n_relays; i++) {
        int one = check_relay(config, config->relays[i]);

        status = one != EX_OK ? one : status;
    }
    check_names(options);
    if (status == EX_OK)
        printf("%s: ok\n", config->path ?: "built-in settings");
    return status;
}

static int run(const Options *options)
{
    _cleanup_(log_free_p) Log *log = NULL;
    _cleanup_config_ Config *config = NULL;
    _cleanup_(manager_free_p) Manager *manager = NULL;
    _cleanup_failure_ Failure f = {0};
    int r;

    if (log_new(options->log, &log, &f) < 0)
        return fail(&f, error_status(f.number));
    if (config_load(options->config_path, options->overrides, &config, &f) < 0)
        return fail_log(log, &f, configuration_status(&f));
    r = manager_new(log, config, options->overrides, &manager, &f);
    if (r < 0)
        return fail_log(log, &f, start_status(r, &f));
    r = manager_run(manager);
    if (r < 0) {
        failure_set_errno(&f, r, "the event loop failed");
        return fail_log(log, &f, EX_OSERR);
    }
    return EX_OK;
}

/* A log that nobody reads is no reason not to run. */
static void open_standard_streams(void)
{
    bool has_log = fcntl(STDERR_FILENO, F_GETFD) >= 0;
    _cleanup_close_ int fd = -1;

    file_occupy_standard_streams();
    if (has_log)
        return;
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    (void)dup2(fd, STDERR_FILENO);
}

/* What was asked for has to be printed. */
static int finish_output(int status)
{
    const Failure f = {.number = ERROR_FILE, .text = (char[]){"cannot write to standard output"}};

    return fflush(stdout) == 0 && !ferror(stdout) ? status : fail(&f, EX_IOERR);
}

int main(int argc, char **argv)
{
    _cleanup_(options_done) Options options = {0};
    _cleanup_failure_ Failure f = {0};

    tls_keep_at_exit();
    manager_take_signals();
    open_standard_streams();
    secret_hide_process();
    /* Threads only wait here: an arena each would cost memory and save nothing. */
    (void)mallopt(M_ARENA_MAX, 1);
    if (options_parse(argc, argv, &options, &f) < 0)
        return fail(&f, error_status(f.number));
    if (options.action != OPTIONS_RUN)
        manager_release_signals();
    switch (options.action) {
    case OPTIONS_HELP: fputs(options_help(), stdout); return finish_output(EX_OK);
    case OPTIONS_VERSION: puts("outboxd " PACKAGE_VERSION); return finish_output(EX_OK);
    case OPTIONS_CHECK: return finish_output(check(&options));
    case OPTIONS_RUN: break;
    }
    return run(&options);
}
