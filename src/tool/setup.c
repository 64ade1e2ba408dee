/* outbox setup: from a few answers to a daemon that delivers. Everything is tried before anything
 * is written. Must never write what was not agreed to. */
#include "tool/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "settings/load.h"
#include "tool/json.h"
#include "tool/setup_options.h"
#include "tool/terminal.h"

#define DONE (-1) /* in place of an exit status: to go on */
#define SHOWN_MAX 2000

typedef struct Setup {
    const Tool *tool;
    const Command *command;
    SetupChoice choice;
    SetupAnswers answers;
    SetupPlace place;
    SetupExisting existing;
    SetupDone done;
    CheckAs as;
    Buffer text;
    bool asks;    /* there is somebody to ask */
    json_t *json; /* what came of it; NULL: it is told in words */
} Setup;

static void setup_done(Setup *s)
{
    setup_answers_done(&s->answers);
    setup_place_done(&s->place);
    setup_existing_done(&s->existing);
    setup_done_done(&s->done);
    check_as_done(&s->as);
    buffer_done(&s->text);
    json_decref(s->json);
}

int setup_set(char **field, const char *text)
{
    char *copy = text && *text ? strdup(text) : NULL;

    if (text && *text && !copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

int setup_set_path(char **field, const char *path)
{
    _cleanup_free_
    char *absolute = realpath(path, NULL), *here = NULL;

    if (!absolute && *path != '/') {
        here = getcwd(NULL, 0);
        if (!here || asprintf(&absolute, "%s/%s", here, path) < 0) {
            absolute = NULL;
            return -ENOMEM;
        }
    }
    return setup_set(field, absolute ?: path);
}

void setup_wipe(Buffer *secret)
{
    if (secret->memory)
        explicit_bzero(secret->memory, secret->allocated);
    buffer_done(secret);
}

void setup_answers_done(SetupAnswers *a)
{
    char *const texts[] = {a->address, a->host, a->tls, a->ca_file, a->fingerprint, a->user,
        a->client_id, a->tenant, a->root, a->from, a->directory};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        free(texts[i]);
    (void)secret_unref(a->password);
    *a = (SetupAnswers){0};
}

/* Of a negative result of a question, or of memory. */
static int give_up(int r)
{
    if (r == -ENOMEM)
        return tool_fail_memory();
    return tool_fail_number(ERROR_INTERRUPTED, "broken off: nothing was changed");
}

static void note(Setup *s, const char *name, json_t *value)
{
    if (s->json)
        (void)json_object_set_new(s->json, name, value);
    else
        json_decref(value);
}

/* ---- what is to be written over ---- */

static int look_at_existing(Setup *s)
{
    _cleanup_failure_ Failure f = {0};

    return setup_existing_load(&s->place, &s->existing, &f) < 0 ? tool_fail(&f) : DONE;
}

/* ---- what is known ---- */

static int find_by_address(Setup *s)
{
    SetupAnswers *a = &s->answers;
    _cleanup_failure_ Failure f = {0};
    int r = a->address && !a->host ? setup_find(a, a->address, &f) : 0;

    if (r == 1)
        return tool_fail_number(ERROR_CONFIGURATION,
            "the name servers say that mail of %s is submitted at %s, port %u, which nobody has "
            "signed: if it is the relay of whoever runs that domain's mail, say so by --relay %s "
            "--port %u --tls %s",
            a->address, a->host, a->port, a->host, a->port, a->tls);
    if (r < 0)
        return r == -ENOMEM ? tool_fail_memory() : tool_fail(&f);
    if (a->address && !a->user && (!a->provider || a->provider->login != SETUP_LOGIN_NONE))
        r = setup_set(&a->user, a->address);
    return r < 0 ? tool_fail_memory() : DONE;
}

/* Without a terminal everything has to be there. */
static int complete(Setup *s)
{
    const SetupAnswers *a = &s->answers;
    bool oauth = a->provider && a->provider->login == SETUP_LOGIN_OAUTH;
    int status = find_by_address(s);

    if (status != DONE)
        return status;
    if (!a->host)
        return tool_usage(s->command, "name the relay: by an address, --provider or --relay");
    if (oauth && (!a->user || !a->client_id))
        return tool_usage(s->command, "%s wants %s", a->provider->title,
            a->client_id ? "--user"
            : a->user    ? "--client-id"
                         : "--user and --client-id");
    if (!oauth && (a->client_id || a->tenant))
        return tool_usage(s->command,
            "--client-id and --tenant go with --provider microsoft365 and outlook, and this relay "
            "is another");
    if (a->user && !oauth && !a->password)
        return tool_usage(s->command, "a user needs a password: --password-file FILE, or \"-\" for "
                                      "standard input");
    if (!a->user && a->password)
        return tool_usage(s->command, "a password needs a user: --user NAME");
    return DONE;
}

static int ask_all(Setup *s)
{
    SetupAnswers *a = &s->answers;
    int r = 0;

    if (a->address && !a->host) { /* as if it had been typed */
        _cleanup_free_
        char *address = TAKE_PTR(a->address);

        r = setup_take_relay(a, address);
    }
    if (r >= 0)
        r = setup_ask_relay(a);
    if (r >= 0)
        r = setup_ask_login(a, false);
    if (r >= 0)
        r = setup_ask_local(a);
    return r < 0 ? give_up(r) : DONE;
}

/* ---- trying ---- */

static int fail_unattended(Setup *s, const Finding *failed)
{
    json_t *advice = json_array();
    const char *tls;
    unsigned port;

    setup_print_advice(&s->answers, failed, s->json ? advice : NULL);
    if (setup_try_others(&s->answers, &s->place, &s->as, failed, &port, &tls)) {
        if (s->json)
            (void)json_array_append_new(
                advice, json_pack("{s:i, s:s}", "port", (int)port, "tls", tls));
        else
            printf("  it works with --port %u --tls %s\n", port, tls);
    }
    note(s, "advice", advice);
    fflush(stdout);
    (void)tool_fail_number(failed->error, "%s: %s; nothing was changed",
        delivery_stage_name(failed->stage), failed->text);
    return failed->status;
}

/* By the one who was asked, who may be told by now why it cannot be tried at all (NULL). DONE, an
 * exit status, or -EAGAIN: with other answers. */
static int meet_failure(Setup *s, const Finding *failed)
{
    SetupMove move;
    int r;

    if (failed)
        setup_print_advice(&s->answers, failed, NULL);
    r = setup_ask_after_failure(&s->answers, &s->place, &s->as, failed, &move);
    if (r < 0)
        return give_up(r);
    switch (move) {
    case SETUP_TRY_AGAIN: return -EAGAIN;
    case SETUP_WRITE_UNTESTED: return DONE;
    default: return give_up(-ECANCELED);
    }
}

static int try_once(Setup *s)
{
    _cleanup_(setup_trial_done) SetupTrial trial = {0};
    int status = setup_try(&s->answers, &s->place, &s->as, true, &trial);

    if (status != EX_OK)
        return s->asks && status == EX_CONFIG ? meet_failure(s, NULL) : status;
    note(s, "relay", finding_json(&trial.finding));
    if (!s->json)
        finding_print(&trial.finding);
    if (trial.finding.ok)
        return DONE;
    return s->asks ? meet_failure(s, &trial.finding) : fail_unattended(s, &trial.finding);
}

static int try_until_it_works(Setup *s)
{
    int status = DONE;

    if (s->choice.untested)
        return DONE;
    do {
        if (s->asks)
            puts("\nIt is tried now; nothing is sent.");
        fflush(stdout);
        status = try_once(s);
    } while (status == -EAGAIN);
    return status;
}

/* ---- writing ---- */

static void print_text(const Setup *s)
{
    printf("\n%s:\n\n", s->place.config);
    terminal_print_lines(stdout, buffer_data(&s->text), buffer_size(&s->text));
    putchar('\n');
}

static int show_difference(Setup *s, bool *ret_any)
{
    bool same =
        buffer_size(&s->text) == buffer_size(&s->existing.text) &&
        memcmp(buffer_data(&s->text), buffer_data(&s->existing.text), buffer_size(&s->text)) == 0;
    json_t *lines = s->json ? json_array() : NULL;

    *ret_any = !same;
    if (same || s->existing.kind == SETUP_NOTHING || s->existing.kind == SETUP_SAMPLE) {
        json_decref(lines);
        return 0;
    }
    if (!s->json)
        printf("\n%s is there already%s. What becomes another:\n", s->place.config,
            s->existing.kind == SETUP_EDITED ? ", and was edited" : "");
    if (!s->json && !s->existing.config)
        puts("  it cannot be read as a configuration: `outboxd --check` says why");
    if (setup_print_difference(&s->existing, &s->answers, &s->place, lines) < 0)
        return -ENOMEM;
    if (s->json)
        note(s, "difference", lines);
    return 0;
}

/* Whether it is to be written. DONE, or an exit status. */
static int agree(Setup *s)
{
    bool any, good = true;
    int r = show_difference(s, &any);

    if (r < 0)
        return tool_fail_memory();
    if (s->choice.dry_run) {
        if (s->json)
            note(s, "text", json_stringn(buffer_data(&s->text), buffer_size(&s->text)));
        else
            print_text(s);
        return EX_OK;
    }
    if (!s->asks || !any)
        return DONE;
    if (s->existing.kind == SETUP_EDITED)
        r = setup_ask_yes("Write over it? A copy is kept.", s->choice.overwrite, &good);
    else {
        print_text(s);
        r = setup_ask_yes("Write it?", true, &good);
    }
    return r < 0 || !good ? give_up(r < 0 ? r : -ECANCELED) : DONE;
}

static void tell_file(const char *path, bool wrote, const char *backup)
{
    fputs(wrote ? "wrote " : "unchanged: ", stdout);
    (void)terminal_print(stdout, path, SHOWN_MAX);
    if (backup) {
        fputs("; what was there is ", stdout);
        (void)terminal_print(stdout, backup, SHOWN_MAX);
    }
    putchar('\n');
}

static void tell_written(Setup *s)
{
    bool has_secret = s->answers.user && s->answers.password;

    note(s, "config", json_text(s->place.config));
    note(s, "changed", json_boolean(s->done.wrote_config || s->done.wrote_secret));
    note(s, "backup", json_text(s->done.config_backup));
    note(s, "secret", json_text(has_secret ? s->place.secret : NULL));
    note(s, "secret_backup", json_text(s->done.secret_backup));
    if (s->json)
        return;
    tell_file(s->place.config, s->done.wrote_config, s->done.config_backup);
    if (has_secret)
        tell_file(s->place.secret, s->done.wrote_secret, s->done.secret_backup);
}

static int write_all(Setup *s)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int status;

    if (setup_config(&s->answers, &s->place, SETUP_SECRET_UNNAMED, &config, &f) < 0)
        return tool_fail(&f); /* nothing that is wrong is asked about */
    if (setup_text(&s->answers, &s->place, SETUP_SECRET_NAMED, &s->text) < 0)
        return tool_fail_memory();
    status = agree(s);
    if (status != DONE)
        return status;
    if (setup_write(&s->answers, &s->place, &s->text, &s->existing, &s->done, &f) < 0)
        return tool_fail(&f);
    tell_written(s);
    return DONE;
}

/* With nobody to ask, it is said before a relay is bothered; and what whoever edited it can put
 * there himself. DONE: it may be written over. */
static int refuse_edited(Setup *s)
{
    bool any;

    if (s->existing.kind != SETUP_EDITED || s->choice.overwrite || s->choice.dry_run)
        return DONE;
    if (setup_text(&s->answers, &s->place, SETUP_SECRET_NAMED, &s->text) < 0)
        return tool_fail_memory();
    note(s, "config", json_text(s->place.config));
    note(s, "changed", json_false());
    note(s, "edited", json_true());
    note(s, "text", json_stringn(buffer_data(&s->text), buffer_size(&s->text)));
    if (show_difference(s, &any) < 0)
        return tool_fail_memory();
    if (!s->json)
        print_text(s);
    fflush(stdout);
    return tool_fail_number(ERROR_FILE,
        "%s was edited, and stays as it is: put there what of the settings that are shown it is to "
        "have, or --overwrite has it written over (a copy is kept), or `outbox --config FILE "
        "setup` writes another",
        s->place.config);
}

/* ---- and then ---- */

static void tell_how_to_start(const Setup *s, long daemon)
{
    if (daemon > 0 && (s->done.wrote_config || s->done.wrote_secret))
        printf("outboxd runs already: `kill -HUP %ld` has it read what was written\n", daemon);
    else if (daemon > 0)
        printf("outboxd runs already, as process %ld\n", daemon);
    else if (!s->place.is_default) {
        fputs("start the daemon with: outboxd --config ", stdout);
        (void)terminal_print(stdout, s->place.config, SHOWN_MAX);
        putchar('\n');
    } else
        puts("start the daemon with: systemctl enable --now outboxd");
}

/* Where no service is known that is to be started. */
static int leave_to_user(Setup *s)
{
    _cleanup_failure_ Failure f = {0};
    long daemon = setup_find_daemon(&s->place, &f);

    if (daemon == -ENOMEM)
        return tool_fail_memory();
    note(s, "daemon", json_text(daemon > 0 ? "running" : NULL));
    note(s, "missing", json_text(daemon < 0 ? failure_text(&f) : NULL));
    if (s->json)
        return DONE;
    tell_how_to_start(s, daemon);
    if (daemon < 0)
        printf("before that: %s\n", failure_text(&f));
    return DONE;
}

static int start(Setup *s)
{
    _cleanup_failure_ Failure f = {0};
    int r = s->choice.no_start ? 0 : setup_start(&s->place, &s->done, &f);

    if (r == 0)
        return leave_to_user(s);
    note(s, "daemon", json_text(s->done.daemon));
    if (r == -ENOMEM)
        return tool_fail_memory();
    if (r < 0)
        return tool_fail_about("the daemon", &f);
    note(s, "missing", json_text(NULL));
    if (!s->json)
        printf("outboxd.service: %s, and enabled\n", s->done.daemon);
    return DONE;
}

static bool is_oauth(const Setup *s)
{
    return s->answers.provider && s->answers.provider->login == SETUP_LOGIN_OAUTH;
}

static int choose_recipient(Setup *s, char **ret)
{
    bool wanted = false;
    char question[400];
    int r;

    if (s->choice.test_to || !s->asks || !s->answers.root)
        return setup_set(ret, s->choice.test_to);
    snprintf(question, sizeof(question), "Send a test message to %.320s?", s->answers.root);
    r = setup_ask_yes(question, true, &wanted);
    return r < 0 ? r : setup_set(ret, wanted ? s->answers.root : "");
}

static const char *likely_sender(const SetupAnswers *a, const char *recipient)
{
    return a->from                           ? a->from
           : a->user && strchr(a->user, '@') ? a->user
           : a->address                      ? a->address
                                             : recipient;
}

static int send_test(Setup *s)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *recipient = NULL;
    const SetupAnswers *a = &s->answers;
    json_t *result = NULL;
    int r = choose_recipient(s, &recipient), status;

    if (r == -ENOMEM)
        return tool_fail_memory();
    if (r < 0 || !recipient)
        return EX_OK; /* everything is written; whoever wants no message has none */
    if (config_load(s->place.config, NULL, &config, &f) < 0)
        return tool_fail(&f);
    status =
        setup_send_test(config, likely_sender(a, recipient), recipient, s->json ? &result : NULL);
    if (result)
        note(s, "test", result);
    return status;
}

static int finish(Setup *s)
{
    int status = start(s);

    if (status != DONE)
        return status;
    if (!is_oauth(s))
        return send_test(s);
    note(s, "next", json_text("outbox authorize"));
    if (!s->json)
        puts("next: `outbox authorize`, which has a user allow the login, and then `outbox check`");
    return EX_OK;
}

/* ---- all of it ---- */

static int prepare(Setup *s, int argc, char **argv)
{
    int status = setup_options_read(s->command, argc, argv, &s->choice, &s->answers);

    if (status != 0)
        return status;
    if (s->tool->overrides && s->tool->overrides[0])
        return tool_usage(s->command,
            "--set %s: it holds for one command, and setup writes what is to stay; what no option "
            "of setup says is for an editor afterwards",
            s->tool->overrides[0]);
    s->asks = !s->choice.yes && !s->choice.json && setup_can_ask();
    if (!s->asks && !s->choice.yes && !s->choice.dry_run)
        return tool_usage(s->command, "there is no terminal to ask at: say everything by options, "
                                      "and --yes");
    if (s->choice.json && !(s->json = json_object()))
        return tool_fail_memory();
    if (setup_place_find(s->tool->config_path, s->choice.credential, &s->place) < 0)
        return tool_fail_memory();
    if (s->place.credential && !s->place.is_default)
        return tool_usage(s->command,
            "--credential goes with " SETTINGS_DEFAULT_PATH
            " alone, which outboxd.service reads: systemd gives it to that");
    status = s->choice.dry_run ? 0 : setup_may_write(&s->place);
    if (status != 0)
        return status;
    status = check_as_settle(s->tool, CHECK_AS_ME, argc, argv, &s->as);
    return status >= 0 ? status : look_at_existing(s);
}

static int run(Setup *s, int argc, char **argv)
{
    int status = prepare(s, argc, argv);

    if (status != DONE)
        return status;
    if (s->asks)
        puts("A few questions; then everything is tried, and only then something is written.\n"
             "Ctrl-C leaves all as it is.\n");
    status = s->asks ? ask_all(s) : complete(s);
    if (status == DONE && !s->asks)
        status = refuse_edited(s);
    if (status == DONE)
        status = try_until_it_works(s);
    if (status == DONE)
        status = write_all(s);
    return status == DONE ? finish(s) : status;
}

int run_setup(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(setup_done) Setup s = {.tool = tool, .command = command};
    int status;

    secret_hide_process();
    status = run(&s, argc, argv);
    if (s.json && json_object_size(s.json) > 0 && json_print(json_incref(s.json)) != EX_OK)
        return EX_TEMPFAIL;
    return status;
}
