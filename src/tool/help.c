/* What --help and --version print, from the tables of commands and options. Must never need more
 * than this program: they are asked for where something is missing, too. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool/command.h"
#include "tool/terminal.h"

#define WIDTH_MAX 80
#define FRONT_MAX 27 /* of an option that is longer, the text begins on the next line */

/* ---- texts ---- */

/* Prints `text`, which begins at the column `at`, broken at blanks; its further lines begin at the
 * column `indent`. */
static void print_wrapped(const char *text, size_t at, size_t indent)
{
    size_t terminal = terminal_width(STDOUT_FILENO);
    size_t width = terminal > 0 ? MIN(terminal, (size_t)WIDTH_MAX) : WIDTH_MAX;
    bool begins = true; /* a line */

    while (*text) {
        size_t word = strcspn(text, " \n"), blank = begins ? 0 : 1;

        if (!begins && at + blank + word > width) {
            printf("\n%*s", (int)indent, "");
            at = indent, blank = 0;
        }
        printf("%*s%.*s", (int)blank, "", (int)word, text);
        at += blank + word;
        text += word;
        begins = *text == '\n';
        if (begins) {
            printf("\n%*s", text[1] ? (int)indent : 0, "");
            at = indent;
        }
        text += *text != '\0';
    }
    putchar('\n');
}

/* "  -d, --directory DIR" */
static size_t format_front(const ToolOption *option, char *text, size_t size)
{
    char letter[] = "    ";

    if (option->value <= TOOL_LETTER_MAX)
        snprintf(letter, sizeof(letter), "-%c, ", (char)option->value);
    return (size_t)snprintf(text, size, "  %s--%s%s%s", letter, option->name,
        option->argument ? " " : "", option->argument ?: "");
}

static size_t widest(const ToolOption *option)
{
    char front[128];
    size_t width = 0;

    for (; option->help; option++) {
        size_t n = option->name ? format_front(option, front, sizeof(front)) : 0;

        width = n <= FRONT_MAX ? MAX(width, n) : width;
    }
    return width;
}

static void print_option(const ToolOption *option, size_t column)
{
    char front[128];
    size_t n = format_front(option, front, sizeof(front));

    fputs(front, stdout);
    if (n + 2 > column)
        printf("\n%*s", (int)column, "");
    else
        printf("%*s", (int)(column - n), "");
    print_wrapped(option->help, column, column);
}

static void print_options(const ToolOption *option, size_t column)
{
    for (; option->help; option++)
        if (option->name)
            print_option(option, column);
        else
            print_wrapped(option->help, 0, 0);
}

/* ---- the tool ---- */

int tool_print_help(void)
{
    const Command *command;
    const char *summary;

    puts("Usage: outbox [--config FILE] [--set NAME=VALUE]... [--color WHEN] [--user UID]\n"
         "              COMMAND [OPTION...] [ARGUMENT...]\n\n"
         "Queues mail, sends it, and shows what became of it.\n\nCommands:");
    for (size_t i = 0; (command = tool_command_at(i, &summary)); i++)
        printf("  %-13s %s\n", command->name, summary);
    puts("\nOptions:");
    print_options(tool_options, widest(tool_options) + 2);
    print_options(tool_option_about, widest(tool_options) + 2);
    puts("\n`outbox help COMMAND` tells all about a command; outbox(1) is the manual.");
    return EX_OK;
}

int tool_print_version(void)
{
    puts("outbox " PACKAGE_VERSION "\nISC licence; no warranty.");
    return EX_OK;
}

/* ---- a command ---- */

static const char *summary_of(const Command *command)
{
    const char *summary = "";

    for (size_t i = 0; tool_command_at(i, &summary) != command; i++)
        continue;
    return summary;
}

int tool_help(const Command *command)
{
    size_t column = widest(command->options);

    if (command->shared)
        column = MAX(column, widest(command->shared));
    column += 2;
    printf("Usage: outbox %s %s\n\n%s.\n\n", command->name, command->synopsis, summary_of(command));
    print_options(command->options, column);
    print_options(tool_option_about, column);
    if (command->shared) {
        putchar('\n');
        print_options(command->shared, column);
    }
    if (command->notes) {
        putchar('\n');
        print_wrapped(command->notes, 0, 0);
    }
    return EX_OK;
}
