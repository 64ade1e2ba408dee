/* What `outbox setup` is told, finds out and writes. doc/decisions/setup.md has why it is so. */
#pragma once

#include <jansson.h>

#include "base/secret.h"
#include "tool/check.h"
#include "tool/setup_provider.h"

/* What is known of the relay, and of where its mail comes from. Strings are owned. */
typedef struct SetupAnswers {
    const SetupProvider *provider; /* NULL: none of the table */
    char *address;                 /* that the relay was looked for by; NULL */
    char *host;
    unsigned port; /* 0: that of submission */
    char *tls;     /* as the setting; NULL: as the port has it */
    char *ca_file, *fingerprint;
    char *user; /* NULL: no login */
    Secret *password;
    char *client_id, *tenant; /* of OAuth */
    char *root;               /* who gets this machine's own mail; NULL: nobody is named */
    char *from;               /* what it is sent as; NULL: as it is */
    char *directory;          /* the queue; NULL: the default one */
} SetupAnswers;
void setup_answers_done(SetupAnswers *answers);

/* Puts a copy in place of what `*field` had. An empty text is none. 0 or -ENOMEM. */
int setup_set(char **field, const char *text);

/* The same with a path, made absolute, though nothing be there yet: the daemon has another working
 * directory. */
int setup_set_path(char **field, const char *path);

/* Frees it, and leaves nothing of what was in it. */
void setup_wipe(Buffer *secret);

/* Where what is written goes. Strings are owned. */
typedef struct SetupPlace {
    char *config;    /* the file itself, where its name is a link's */
    char *secret;    /* the password's */
    bool credential; /* which systemd alone reads */
    bool is_default; /* the configuration is that of outboxd.service */
    char *tokens;    /* where OAuth's are kept */
} SetupPlace;
int setup_place_find(const char *config_path, bool credential, SetupPlace *ret); /* 0 or -errno */
void setup_place_done(SetupPlace *place);

/* ---- the command line (setup_options.c) ---- */

/* How it is to go about it. Borrowed from the command line. */
typedef struct SetupChoice {
    const char *provider, *region, *password_file, *test_to;
    bool credential, untested, overwrite, no_start, yes, dry_run, json;
} SetupChoice;

/* The command line into both. 0 or an exit status, said. */
int setup_options_read(
    const Command *command, int argc, char **argv, SetupChoice *choice, SetupAnswers *answers);

/* ---- the text (setup_text.c) ---- */

typedef enum SetupSecret {
    SETUP_SECRET_UNNAMED, /* no place of the password is named: it is tried first */
    SETUP_SECRET_NAMED,
} SetupSecret;

/* Appends the whole configuration. 0 or -ENOMEM. */
int setup_text(
    const SetupAnswers *answers, const SetupPlace *place, SetupSecret secret, Buffer *out);

/* The same, read: 0, or a negative errno with a Failure. A password's file that is named has to be
 * there. */
int setup_config(const SetupAnswers *answers, const SetupPlace *place, SetupSecret secret,
    Config **ret, Failure *f);

/* Whether it is a text of that kind, which nobody has edited. */
bool setup_text_is_own(const char *text, size_t n);

/* ---- trying it (setup_try.c) ---- */

typedef struct SetupTrial {
    Config *config;
    Finding finding; /* borrows from that */
} SetupTrial;
void setup_trial_done(SetupTrial *trial);

/* As `outbox check` does, with all but the login where `login` is false. EX_OK, and the finding has
 * what came of it; or an exit status after having said why it cannot be tried. */
int setup_try(const SetupAnswers *answers, const SetupPlace *place, const CheckAs *as, bool login,
    SetupTrial *ret);

/* After a failure: another port or TLS at which the relay can be had, tried and found good. True,
 * and it is in `ret_port` and `ret_tls` (static). */
bool setup_try_others(const SetupAnswers *answers, const SetupPlace *place, const CheckAs *as,
    const Finding *failed, unsigned *ret_port, const char **ret_tls);

/* What else may help, in lines to standard output or an array (NULL: none). */
void setup_print_advice(const SetupAnswers *answers, const Finding *failed, json_t *array);

/* ---- asking (setup_ask.c, setup_questions.c) ---- */

/* Whether there is somebody to ask. */
bool setup_can_ask(void);

/* Each: 0 and an answer, the one that was suggested (may be NULL: none) where nothing is typed;
 * -ECANCELED when it was interrupted, or there will be none; -ENOMEM. The caller frees. */
int setup_ask(const char *question, const char *suggested, char **ret);
int setup_ask_secret(const char *question, Secret **ret);
int setup_ask_yes(const char *question, bool suggested, bool *ret);

/* What is not known yet. As above. */
int setup_ask_relay(SetupAnswers *answers);
int setup_take_relay(SetupAnswers *answers, const char *text); /* that was typed; 1: it is none */
int setup_ask_login(SetupAnswers *answers, bool again);
int setup_ask_local(SetupAnswers *answers);

/* That was typed, or is an option's: 0 or -ENOMEM, 1: there is no such way of TLS. */
int setup_take_tls(SetupAnswers *answers, const char *text);

/* What to do after a failure; NULL: what was answered makes no configuration. */
typedef enum SetupMove { SETUP_TRY_AGAIN, SETUP_WRITE_UNTESTED, SETUP_GIVE_UP } SetupMove;
int setup_ask_after_failure(SetupAnswers *answers, const SetupPlace *place, const CheckAs *as,
    const Finding *failed, SetupMove *ret);

/* ---- finding the relay (setup_find.c) ---- */

/* Of the domain's provider, or by SRV records (RFC 6186, RFC 8314). 0, or 1 when they say one that
 * somebody must confirm; -ENOENT with a Failure where there is none, or another negative errno. */
int setup_find(SetupAnswers *answers, const char *address, Failure *f);

/* ---- writing (setup_write.c, setup_existing.c) ---- */

typedef enum SetupKind {
    SETUP_NOTHING, /* there is no configuration */
    SETUP_SAMPLE,  /* it sets nothing that works: the one that comes with outbox */
    SETUP_OWN,     /* was written by setup, and never edited */
    SETUP_EDITED,
} SetupKind;

typedef struct SetupExisting {
    SetupKind kind;
    Buffer text;
    Config *config; /* NULL where it cannot be read as one */
} SetupExisting;
int setup_existing_load(const SetupPlace *place, SetupExisting *ret, Failure *f);
void setup_existing_done(SetupExisting *existing);

/* Prints the settings that differ, secrets as ***; to an array of lines where it is not NULL. */
int setup_print_difference(const SetupExisting *existing, const SetupAnswers *answers,
    const SetupPlace *place, json_t *array);

/* What has been done. Strings are owned; NULL: that was not. */
typedef struct SetupDone {
    bool wrote_config, wrote_secret;
    char *config_backup, *secret_backup;
    char *daemon; /* "started", "reloaded" */
} SetupDone;
void setup_done_done(SetupDone *done);

/* Whether all can be written, before anything is asked or tried. 0 or an exit status, said. */
int setup_may_write(const SetupPlace *place);

/* Writes what differs from what is there, all or nothing. 0, or a negative errno with a Failure. */
int setup_write(const SetupAnswers *answers, const SetupPlace *place, const Buffer *text,
    const SetupExisting *existing, SetupDone *ret, Failure *f);

/* ---- and then (setup_start.c, setup_test.c) ---- */

/* Has systemd start the daemon, or read its configuration anew. 1 when it did, 0 where there is no
 * such service, or a negative errno with a Failure. */
int setup_start(const SetupPlace *place, SetupDone *done, Failure *f);

/* The process that delivers from the queue directory of what is written, started by whomever; 0:
 * none that is known; a negative errno with a Failure: that directory cannot be used. */
long setup_find_daemon(const SetupPlace *place, Failure *f);

/* Queues a test message and follows it until the relay has answered. Returns the exit status, said;
 * tells what came of it in words and, where it is not NULL, in `*ret`. */
int setup_send_test(const Config *config, const char *sender, const char *recipient, json_t **ret);
