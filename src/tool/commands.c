/* The commands: what each takes, and what its help says. The program and the library both have the
 * table; where the command itself is in the other one, there is no function for it. */
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "tool/check_options.h"
#include "tool/command.h"
#include "tool/input.h"
#include "tool/metrics_options.h"
#include "tool/selection.h"
#include "tool/setup_options.h"

#define WEAK(name, summary)                                     \
    int run_##name(const Tool *, const Command *, int, char **) \
        __attribute__((weak, visibility("hidden")));
TOOL_COMMANDS(WEAK)
#undef WEAK

static const ToolOption queue_options[] = {
    {"directory", 'd', "DIR",
        "this queue directory, not the configured one; '*': print the file's content instead"},
    {"batch", 'b', NULL,
        "the arguments are files, each a whole message; they wait for the disk together, which is "
        "much faster than one by one"},
    {"key", 'k', "KEY",
        "what makes a second message with it none, within a week, where the queue is in a "
        "database: "
        "who does not know whether it was queued may queue it again"},
    {0},
};

static const Command command_queue = {
    .name = "queue",
    .synopsis = "[OPTION...] [RECIPIENT...]",
    .options = queue_options,
    .shared = input_options,
    .notes = "A message is safe on the disk when its path is printed; of one in a database "
             "(spool.database) its id is.",
    .run = run_queue,
};

static const ToolOption send_options[] = {
    {"verbose", 'v', NULL, "print the dialogue with the relay"},
    {"command", 'c', "VERB",
        "begin with this instead of MAIL, if the relay offers it: SEND (to the recipient's "
        "terminal), SOML (there or by mail), SAML (both)"},
    {0},
};

static const Command command_send = {
    .name = "send",
    .synopsis = "[OPTION...] [RECIPIENT...]",
    .options = send_options,
    .shared = input_options,
    .notes =
        "The relays are tried in order, until one takes the message. Exit statuses: 0 delivered "
        "to everybody, 69 refused, 75 worth another try, 77 login denied.",
    .run = run_send,
};

static const ToolOption process_options[] = {
    {"verbose", 'v', NULL, "print the dialogue with the relays"},
    {0},
};

static const Command command_process = {
    .name = "process",
    .synopsis = "[OPTION...] [DIRECTORY]",
    .options = process_options,
    .notes = "Deferred messages are tried when their time has come. A daemon may work on the same "
             "queue. Without a DIRECTORY it is that of the configuration, or its database. A "
             "signal lets what is in flight end, a second one does not wait for it. "
             "Exit statuses: 0 all delivered, 69 some failed, 75 try again later.",
    .run = run_process,
};

static const ToolOption list_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"sort", 's', "KEY",
        "by id, age (the oldest first), size, tries (the most first), next, sender or state"},
    {"reverse", 'r', NULL, "the other way round"},
    {"limit", 'n', "N", "so many messages at most"},
    {"watch", 'w', NULL, "anew every two seconds, until it is interrupted"},
    {"json", 'j', NULL, "a JSON array, one object a message"},
    {0},
};

const ToolOption selection_options[] = {
    {"state", SELECTION_STATE, "STATE", "those in this state; repeatable, as are arguments"},
    {"older", SELECTION_OLDER, "AGE", "those that arrived so long ago at least: 90s, 5m, 2h, 3d"},
    {"from", SELECTION_FROM, "TEXT", "those whose sender has this in it"},
    {"to", SELECTION_TO, "TEXT", "those with a recipient that has this in it"},
    {"text", SELECTION_TEXT, "TEXT", "those with this in the reason why they were not delivered"},
    {"relay", SELECTION_RELAY, "NAME", "those that this relay had last"},
    {"uid", SELECTION_UID, "USER", "those that this user queued, by number or name"},
    {0},
};

static const Command command_list = {
    .name = "list",
    .synopsis = "[OPTION...] [STATE...]",
    .options = list_options,
    .shared = selection_options,
    .notes = "States are queued, sending, sent, failed, deferred and held. Of each message it "
             "shows the age, the size, the attempts so far, the time until the next one or what "
             "it waits for (turn, lane, relay, machine, daemon), sender and recipients; below, why "
             "it was not delivered so far.",
    .own = OWN_LOOKS,
    .run = run_list,
};

static const ToolOption mailq_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"format", 'f', "SYSTEM", "as this one: postfix (the default), sendmail, exim or nullmailer"},
    {0},
};

static const Command command_mailq = {
    .name = "mailq",
    .synopsis = "[OPTION...]",
    .options = mailq_options,
    .notes = "It is what programs read that watch a mail queue: all messages but those that were "
             "delivered, the oldest first. People see more in `outbox list`.",
    .run = run_mailq,
};

#define ID_NOTES                                                                                \
    "An ID is what `outbox list` prints, or the name of a message's file; with a slash, as in " \
    "./report.held, it is a file. The beginning of one will do where no other message has it.\n"

static const ToolOption show_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"content", 'c', NULL, "print the message's file instead"},
    {"json", 'j', NULL, "one JSON object"},
    {0},
};

static const Command command_show = {
    .name = "show",
    .synopsis = "[OPTION...] ID",
    .options = show_options,
    .notes = ID_NOTES,
    .own = OWN_LOOKS,
    .run = run_show,
};

static const ToolOption status_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"json", 'j', NULL, "one JSON object"},
    {0},
};

static const Command command_status = {
    .name = "status",
    .synopsis = "[OPTION...]",
    .options = status_options,
    .notes = "Those who deliver from the directory say there themselves how they are: who they "
             "are, what they have sent, which alarms there are, and how their relays are.",
    .run = run_status,
};

static const ToolOption metrics_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"output", 'o', "FILE",
        "write them to this file, as a whole: for the textfile collector of node_exporter"},
    {"format", METRICS_FORMAT, "openmetrics|text",
        "OpenMetrics 1.0, or the form before it (0.0.4), which is that of --output"},
    {"http", METRICS_HTTP, NULL,
        "answer one request of HTTP on standard input and output: for outbox-metrics.socket"},
    {0},
};

static const Command command_metrics = {
    .name = "metrics",
    .synopsis = "[OPTION...]",
    .options = metrics_options,
    .notes = "outbox(1) has a list of them. Counters are of the daemons that run, since each has "
             "started; where none runs there are figures of the queue alone.",
    .run = run_metrics,
};

static const ToolOption change_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"all", 'a', NULL, "every message that this can be done to"},
    {"dry-run", 'n', NULL, "only say to which messages it would be done"},
    {"json", 'j', NULL, "a JSON array, one object a message"},
    {0},
};

static const ToolOption delete_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"all", 'a', NULL, "every message that is not being sent; on a terminal it asks before"},
    {"yes", 'y', NULL, "do not ask"},
    {"dry-run", 'n', NULL, "only say which messages would be deleted"},
    {"json", 'j', NULL, "a JSON array, one object a message"},
    {0},
};

static const Command command_retry = {
    .name = "retry",
    .synopsis = "[OPTION...] ID...",
    .options = change_options,
    .shared = selection_options,
    .notes = ID_NOTES "Recipients that have had the message do not get it again.\n"
                      "The same by hand: mv ID.failed ID.queued",
    .own = OWN_CHANGES,
    .run = run_retry,
};

static const Command command_hold = {
    .name = "hold",
    .synopsis = "[OPTION...] ID...",
    .options = change_options,
    .shared = selection_options,
    .notes = ID_NOTES "They stay until `outbox release`. The same by hand: mv ID.queued ID.held",
    .own = OWN_CHANGES,
    .run = run_hold,
};

static const Command command_release = {
    .name = "release",
    .synopsis = "[OPTION...] ID...",
    .options = change_options,
    .shared = selection_options,
    .notes = ID_NOTES "The same by hand: mv ID.held ID.queued",
    .own = OWN_CHANGES,
    .run = run_release,
};

static const Command command_delete = {
    .name = "delete",
    .synopsis = "[OPTION...] ID...",
    .options = delete_options,
    .shared = selection_options,
    .notes = ID_NOTES
    "A message that is being sent is not deleted. The same by hand: rm ID.failed ID.status",
    .own = OWN_CHANGES,
    .run = run_delete,
};

static const ToolOption import_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"dry-run", 'n', NULL, "only say which messages would be imported"},
    {"remove", 'r', NULL, "remove each from the other queue as soon as it is safe in this one"},
    {"json", 'j', NULL, "a JSON array, one object a message"},
    {0},
};

static const Command command_import = {
    .name = "import",
    .synopsis = "[OPTION...] FORMAT PATH...",
    .options = import_options,
    .notes =
        "FORMAT is nullmailer, msmtpq, dma or postfix, and PATH its queue directory or a file "
        "in it; or eml, and PATH a pickup directory, or a message in it; or bsmtp, and PATH a file "
        "of batch SMTP, \"-\" being standard input. Stop the other system first.",
    .run = run_import,
};

static const ToolOption export_options[] = {
    TOOL_OPTION_DIRECTORY,
    {"format", 'f', "eml|maildir|bsmtp",
        "files NAME.eml in a directory, a maildir, or batch SMTP, one stream"},
    {"json", 'j', NULL, "a JSON array, one object a message; not with -"},
    {0},
};

static const Command command_export = {
    .name = "export",
    .synopsis = "[OPTION...] [ID...] DIRECTORY|FILE|-",
    .options = export_options,
    .shared = selection_options,
    .notes = "Nothing is changed in the queue, and nothing overwritten. Messages go with those "
             "recipients that have not had them; what is being sent, or was, is left out. "
             "`outbox import eml DIRECTORY` and pickup directories take the files, and "
             "`outbox import bsmtp FILE` the stream, which is the default for -.",
    .own = OWN_LOOKS,
    .run = run_export,
};

static const ToolOption import_config_options[] = {
    {"account", 'a', "NAME", "this account of msmtp's, instead of the default one"},
    {"secrets", 's', "DIR", "write passwords into files in this directory, and name those"},
    {0},
};

static const Command command_import_config = {
    .name = "import-config",
    .synopsis = "[OPTION...] SYSTEM [PATH]",
    .options = import_config_options,
    .notes =
        "SYSTEM is nullmailer, msmtp, ssmtp, dma or postfix. PATH is where its configuration is, "
        "unless that is its usual place; of postfix it may be a file with what `postconf -n` "
        "prints. What has no match is told in comments; "
        "`outboxd --check` with what is printed tells what is missing.",
    .run = run_import_config,
};

static const Command command_adopt = {
    .name = "adopt",
    .synopsis = "[OPTION...] ID...",
    .options = change_options,
    .shared = selection_options,
    .notes = ID_NOTES
    "For a queue that was moved or restored by copying, before the daemon is started on it: a copy "
    "is another file, for which the record of the first does not count, so that it would be sent "
    "to all its recipients. Size and time of the file must be those it had.",
    .run = run_adopt,
};

static const ToolOption move_options[] = {
    {"to", 't', "PLACE",
        "database or directory: the configured one, spool.database or spool.directory; or the path "
        "of a directory, or the connection string of a database"},
    {"directory", 'd', "DIR", "from this queue directory, not the configured one"},
    {"all", 'a', NULL, "every message that is neither being sent nor sent"},
    {"dry-run", 'n', NULL, "only say which messages would be moved"},
    {"formerly", 'f', "HOST[:DIR]",
        "the directory's host, and the directory, had this name when something was cut off"},
    {"json", 'j', NULL, "a JSON array, one object a message"},
    {0},
};

static const Command command_move = {
    .name = "move",
    .synopsis = "--to PLACE [OPTION...] ID...",
    .options = move_options,
    .shared = selection_options,
    .notes =
        "Each message is in one of the two places at any time, whenever this is ended, and goes on "
        "there as it is: who has had it, how often it was tried, and when it is tried next. "
        "Daemons "
        "may deliver from both meanwhile. What was begun and cut off is finished by the next "
        "`outbox "
        "move` between the same two.",
    .run = run_move,
};

static const ToolOption authorize_options[] = {
    {0},
};

static const Command command_authorize = {
    .name = "authorize",
    .synopsis = "[RELAY]",
    .options = authorize_options,
    .notes = "Prints where to go with a browser, and the code to enter there (RFC 8628), and waits "
             "until that is done. What tokens are renewed by is kept in oauth_token_file.",
    .run = run_authorize,
};

static const ToolOption database_options[] = {
    {"json", 'j', NULL, "one JSON object"},
    {0},
};

static const Command command_database = {
    .name = "database",
    .synopsis = "[OPTION...] init|upgrade|check|grant [ROLE producer|daemon|operator]",
    .options = database_options,
    .notes = "init makes the tables in the database that spool.database names, and upgrade brings "
             "them up to date, both as the role that is to own them; grant lets a role queue "
             "(producer), deliver (daemon), or look at messages and change them (operator); check "
             "says what is there, and what this role may do.",
    .run = run_database,
};

static const ToolOption setup_options[] = {
    {"provider", SETUP_OPTION_PROVIDER, "PROVIDER",
        "one that is known: gmail, microsoft365, outlook, ses, mailgun, mailgun-eu, fastmail, "
        "sendgrid, postmark, brevo, mailjet, icloud, yahoo, or local, a mail server on this "
        "machine"},
    {"region", SETUP_OPTION_REGION, "NAME", "of the provider, such as eu-central-1"},
    {"relay", SETUP_OPTION_RELAY, "HOST", "the relay's name"},
    {"port", SETUP_OPTION_PORT, "N", "its port; 587 by default"},
    {"tls", SETUP_OPTION_TLS, "automatic|starttls|implicit|opportunistic|none",
        "as the setting; automatic (the default): as the port has it"},
    {"ca-file", SETUP_OPTION_CA_FILE, "FILE", "the authority that has signed its certificate"},
    {"accept-certificate", SETUP_OPTION_ACCEPT, "SHA-256",
        "that of the one certificate to take, whoever signed it"},
    {"user", SETUP_OPTION_USER, "LOGIN", "to log in as; the address, where one is given"},
    {"password-file", SETUP_OPTION_PASSWORD_FILE, "FILE",
        "take the password from the first line of this, \"-\" being standard input; it is copied "
        "to where the daemon reads it"},
    {"credential", SETUP_OPTION_CREDENTIAL, NULL,
        "keep it in /etc/credstore/outbox.password, which systemd alone reads"},
    {"client-id", SETUP_OPTION_CLIENT_ID, "ID", "of an application, to log in by OAuth"},
    {"tenant", SETUP_OPTION_TENANT, "ID", "the directory that it is in"},
    {"root", SETUP_OPTION_ROOT, "ADDRESS", "who gets the mail to root"},
    {"from", SETUP_OPTION_FROM, "ADDRESS", "what all mail is sent as"},
    TOOL_OPTION_DIRECTORY,
    {"test-to", SETUP_OPTION_TEST_TO, "ADDRESS",
        "send a test message there, and tell what becomes of it"},
    {"untested", SETUP_OPTION_UNTESTED, NULL, "write it without trying the relay"},
    {"overwrite", SETUP_OPTION_OVERWRITE, NULL,
        "with --yes, also a configuration that somebody has edited; a copy is kept"},
    {"no-start", SETUP_OPTION_NO_START, NULL, "leave the daemon alone"},
    {"yes", 'y', NULL, "ask nothing: the options say it all"},
    {"dry-run", 'n', NULL, "try the relay, and print what would be written"},
    {"json", 'j', NULL, "one JSON object"},
    {0},
};

static const Command command_setup = {
    .name = "setup",
    .synopsis = "[OPTION...] [ADDRESS]",
    .options = setup_options,
    .notes = "Of a mail address the provider is known, or its domain says where the relay is. "
             "Nothing is written before the relay took the login; what was there is kept beside "
             "it, as FILE.before-N.",
    .run = run_setup,
};

static const ToolOption check_options[] = {
    {"as-daemon", CHECK_OPTION_AS_DAEMON, NULL,
        "as the daemon, whatever the configuration, or not at all: with the user, the credentials "
        "and the sandbox of outboxd.service; by default that is done where it can be"},
    {"as-me", CHECK_OPTION_AS_ME, NULL, "as the user who runs it"},
    {"probe", CHECK_OPTION_PROBE, "ADDRESS",
        "also ask what the relay says of this recipient: MAIL, RCPT, and no message"},
    {"from", CHECK_OPTION_FROM, "ADDRESS",
        "with --probe, of this sender, \"<>\" for none; without it, this user at this host"},
    {"json", 'j', NULL, "a JSON array, one object a relay"},
    {"verbose", 'v', NULL, "print the dialogue"},
    {0},
};

static const Command command_check = {
    .name = "check",
    .synopsis = "[OPTION...] [RELAY]",
    .options = check_options,
    .notes = "Tries name lookup, connection, TLS, certificate, EHLO and login; where one fails it "
             "says what to do. It says as whom it was checked: root checks as the daemon. The exit "
             "status is that of the last failure.",
    .run = run_check,
};

#define SAY_NOTES                                                                             \
    "The first relay that answers is asked. Exit statuses: 0 it says yes, 69 it says no, 75 " \
    "ask again later.\n"

static const ToolOption say_options[] = {
    {"json", 'j', NULL, "a JSON array, one object a reply"},
    {"verbose", 'v', NULL, "print the whole dialogue"},
    {0},
};

static const Command command_verify = {
    .name = "verify",
    .synopsis = "[OPTION...] ADDRESS...",
    .options = say_options,
    .notes = SAY_NOTES "Many relays do not tell: 252 means that mail would be taken all the same.",
    .run = run_verify,
};

static const Command command_expand = {
    .name = "expand",
    .synopsis = "[OPTION...] LIST...",
    .options = say_options,
    .notes = SAY_NOTES "A line is printed for each member. Many relays do not tell.",
    .run = run_expand,
};

static const Command command_command = {
    .name = "command",
    .synopsis = "[OPTION...] 'COMMAND'...",
    .options = say_options,
    .notes = SAY_NOTES
    "As in: outbox command NOOP 'HELP VRFY'. What is more than a command and its reply is not "
    "said: DATA, BDAT, STARTTLS, AUTH, QUIT.",
    .run = run_command,
};

static const ToolOption config_options[] = {
    {"changed", 'c', NULL, "only those that are not as they are by default"},
    {"explain", 'e', NULL,
        "what there is to know about the settings instead: values, default, other names"},
    {"json", 'j', NULL, "as JSON"},
    {"route", 'r', NULL,
        "by which rule of routes, and to which relays, mail goes from the first address given to "
        "each other one; \"<>\" is no sender"},
    {"lane", 'l', "NAME", "the lane of that mail"},
    {0},
};

static const Command command_config = {
    .name = "config",
    .synopsis = "[OPTION...] [NAME | FROM TO...]",
    .options = config_options,
    .notes =
        "NAME is a setting by any of its names, such as spool.directory, relays.primary.port "
        "or MailPort, or a section, or a relay such as relays.primary. Secrets are shown as ***.",
    .run = run_config,
};

static const ToolOption complete_options[] = {
    {0},
};

static const Command command_complete = {
    .name = "complete",
    .synopsis = "-- WORD...",
    .options = complete_options,
    .notes =
        "Prints what the last word can become, one candidate a line; or :files/, :directories/ "
        "or :users/, for which a shell knows better. The completions for bash, zsh and fish "
        "ask it.",
    .run = run_complete,
};

static const Command *const commands[] = {
#define ROW(name, summary) &command_##name,
    TOOL_COMMANDS(ROW)
#undef ROW
};

const Command *tool_command_at(size_t i, const char **ret_summary)
{
    static const char *const summaries[] = {
#define SUMMARY(name, summary) summary,
        TOOL_COMMANDS(SUMMARY)
#undef SUMMARY
    };

    if (i >= ELEMENTSOF(commands))
        return NULL;
    *ret_summary = summaries[i];
    return commands[i];
}

const Command *tool_find_command_of(const Tool *tool, const char *name)
{
    const Command *command = tool_find_command(name);

    if (!command || !tool->has_user || command->own != OWN_NOTHING)
        return command;
    (void)tool_usage(command, "it does not go with --user");
    return NULL;
}

const Command *tool_command_named(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
    return NULL;
}

const Command *tool_find_command(const char *name)
{
    const Command *found = tool_command_named(name), *near = NULL;
    size_t distance = 3;

    for (size_t i = 0; !found && i < ELEMENTSOF(commands); i++) {
        size_t d = text_distance(name, commands[i]->name);

        if (d < distance)
            near = commands[i], distance = d;
    }
    if (!found)
        (void)tool_usage(NULL, "there is no command '%s'%s%s%s", name,
            near ? "; did you mean '" : "", near ? near->name : "", near ? "'?" : "");
    return found;
}
