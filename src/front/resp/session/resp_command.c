/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_command.c - COMMAND: the table of commands, as clients ask for it. */
#include "front/resp/node/resp_commands.h"

#include "core/glob.h"

#include <stdio.h>

/* The group of a row, and Redis' category of access for it. */
#define CATEGORIES(X)                                                                              \
    X("generic", "@keyspace")                                                                      \
    X("string", "@string")                                                                         \
    X("bitmap", "@bitmap")                                                                         \
    X("hash", "@hash")                                                                             \
    X("list", "@list")                                                                             \
    X("set", "@set")                                                                               \
    X("sorted-set", "@sortedset")                                                                  \
    X("connection", "@connection")                                                                 \
    X("transactions", "@transaction")                                                              \
    X("pubsub", "@pubsub")                                                                         \
    X("pando", "@keyspace")

static const char *category_of(const struct command *command)
{
#define X(group_name, category)                                                                    \
    if (strcmp(command->group, group_name) == 0)                                                   \
        return category;
    CATEGORIES(X)
#undef X
    return "@dangerous"; /* of the server */
}

/* The categories of a command, at most four. */
static unsigned list_categories(const struct command *command, const char *out[4])
{
    unsigned count = 0;
    if ((command->flags & COMMAND_READ) != 0)
        out[count++] = "@read";
    if ((command->flags & COMMAND_WRITE) != 0)
        out[count++] = "@write";
    out[count++] = category_of(command);
    out[count++] = (command->flags & COMMAND_FAST) != 0 ? "@fast" : "@slow";
    return count;
}

/* ---- for ACL CAT ---- */

static bool is_in_category(const struct command *command, struct bytes category)
{
    const char *categories[4];
    const unsigned count = list_categories(command, categories);
    for (unsigned i = 0; i < count; i++)
        if (bytes_is_word(category, categories[i] + 1))
            return true;
    return false;
}

void resp__acl_categories(struct resp_out *out)
{
    static const char *const categories[] = {
        "keyspace", "read",   "write",       "set",       "sortedset",  "list", "hash",
        "string",   "bitmap", "transaction", "dangerous", "connection", "fast", "slow"};
    const size_t count = sizeof categories / sizeof categories[0];
    resp_array(out, count);
    for (size_t i = 0; i < count; i++)
        resp_simple(out, categories[i]);
}

bool resp__acl_category(struct resp_out *out, struct bytes category)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        count += is_in_category(&commands[i], category);
    if (count == 0)
        return false;
    resp_array(out, count);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        if (is_in_category(&commands[i], category))
            resp_simple(out, commands[i].name);
    return true;
}

/* ---- INFO ---- */

static void put_flags(struct resp_out *out, const struct command *command)
{
    unsigned count = 0;
#define X(name, bit, word, gist) count += (command->flags & COMMAND_##name) != 0;
    COMMAND_FLAGS(X)
#undef X
    resp_set(out, count);
#define X(name, bit, word, gist)                                                                   \
    if ((command->flags & COMMAND_##name) != 0)                                                    \
        resp_simple(out, word);
    COMMAND_FLAGS(X)
#undef X
}

static void put_categories(struct resp_out *out, const struct command *command)
{
    const char *categories[4];
    const unsigned count = list_categories(command, categories);
    resp_set(out, count);
    for (unsigned i = 0; i < count; i++)
        resp_simple(out, categories[i]);
}

static void put_number(struct resp_out *out, const char *name, int64_t number)
{
    resp_bulk_text(out, name);
    resp_integer(out, number);
}

static void put_key_flags(struct resp_out *out, const struct command *command)
{
    resp_set(out, 2);
    resp_simple(out, (command->flags & COMMAND_WRITE) != 0 ? "RW" : "RO");
    resp_simple(out, (command->flags & COMMAND_WRITE) != 0 ? "update" : "access");
}

/* Where a search for keys begins: at an argument's place. */
static void put_search(struct resp_out *out, int64_t place)
{
    resp_bulk_text(out, "begin_search");
    resp_map(out, 2);
    resp_bulk_text(out, "type");
    resp_bulk_text(out, "index");
    resp_bulk_text(out, "spec");
    resp_map(out, 1);
    put_number(out, "index", place);
}

static void put_range(struct resp_out *out, const struct command *command, int64_t last,
                      int64_t step)
{
    resp_map(out, 3);
    resp_bulk_text(out, "flags");
    put_key_flags(out, command);
    put_search(out, command->first_key);
    resp_bulk_text(out, "find_keys");
    resp_map(out, 2);
    resp_bulk_text(out, "type");
    resp_bulk_text(out, "range");
    resp_bulk_text(out, "spec");
    resp_map(out, 3);
    put_number(out, "lastkey", last);
    put_number(out, "keystep", step);
    put_number(out, "limit", 0);
}

static void put_counted(struct resp_out *out, const struct command *command)
{
    resp_map(out, 3);
    resp_bulk_text(out, "flags");
    put_key_flags(out, command);
    put_search(out, command->first_key != 0 ? 2 : 1);
    resp_bulk_text(out, "find_keys");
    resp_map(out, 2);
    resp_bulk_text(out, "type");
    resp_bulk_text(out, "keynum");
    resp_bulk_text(out, "spec");
    resp_map(out, 3);
    put_number(out, "keynumidx", 0);
    put_number(out, "firstkey", 1);
    put_number(out, "keystep", 1);
}

/* A target that stands alone, keys from one place to another, or keys that are counted. */
static void put_key_specs(struct resp_out *out, const struct command *command)
{
    const bool is_counted = (command->flags & COMMAND_COUNTED) != 0;
    const bool has_range = command->first_key != 0;
    resp_set(out, (uint64_t)is_counted + has_range);
    if (has_range && is_counted)
        put_range(out, command, 0, 1);
    else if (has_range)
        put_range(out, command,
                  command->last_key < 0 ? command->last_key
                                        : command->last_key - command->first_key,
                  command->key_step);
    if (is_counted)
        put_counted(out, command);
}

static uint64_t count_subcommands(const struct command *command)
{
    const struct resp_subcommand *table = resp__subcommands(command);
    uint64_t count = 0;
    while (table != NULL && table[count].name != NULL)
        count++;
    return count;
}

static void put_full_name(struct resp_out *out, const struct command *command,
                          const struct resp_subcommand *subcommand)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s|%s", command->name, subcommand->name);
    resp_bulk_text(out, name);
}

static void put_subcommands(struct resp_out *out, const struct command *command)
{
    const struct resp_subcommand *table = resp__subcommands(command);
    const uint64_t count = count_subcommands(command);
    resp_set(out, count);
    for (uint64_t i = 0; i < count; i++) {
        const bool is_usage = command->first_key != 0 && strcmp(table[i].name, "usage") == 0;
        resp_array(out, 10);
        put_full_name(out, command, &table[i]);
        resp_integer(out, table[i].arity);
        put_flags(out, command);
        resp_integer(out, is_usage ? command->first_key : 0);
        resp_integer(out, is_usage ? command->last_key : 0);
        resp_integer(out, is_usage ? command->key_step : 0);
        put_categories(out, command);
        resp_set(out, 0);
        if (is_usage)
            put_key_specs(out, command);
        else
            resp_set(out, 0);
        resp_set(out, 0);
    }
}

static void put_command(struct resp_out *out, const struct command *command)
{
    resp_array(out, 10);
    resp_bulk_text(out, command->name);
    resp_integer(out, command->arity);
    put_flags(out, command);
    resp_integer(out, command->first_key);
    resp_integer(out, command->last_key);
    resp_integer(out, command->key_step);
    put_categories(out, command);
    resp_set(out, 0); /* tips for those who spread commands over servers: we do that */
    put_key_specs(out, command);
    put_subcommands(out, command);
}

static void run_all(const struct resp_ask *ask)
{
    resp_array(ask->out, COMMANDS_COUNT);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        put_command(ask->out, &commands[i]);
}

static void run_info(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    if (ask->args_count == 2) {
        run_all(ask);
        return;
    }
    resp_array(ask->out, ask->args_count - 2);
    for (uint32_t i = 2; i < ask->args_count; i++) {
        const struct command *command = command_find(ask->args[i]);
        if (command == NULL)
            resp_null(ask->out);
        else
            put_command(ask->out, command);
    }
}

static void run_count(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    resp_integer(ask->out, COMMANDS_COUNT);
}

/* ---- DOCS ---- */

static void put_doc(struct resp_out *out, const char *name, const char *text)
{
    resp_bulk_text(out, name);
    resp_bulk_text(out, text);
}

static void put_docs(struct resp_out *out, const struct command *command)
{
    const struct resp_subcommand *table = resp__subcommands(command);
    const uint64_t count = count_subcommands(command);
    resp_bulk_text(out, command->name);
    resp_map(out, 3 + (uint64_t)(count > 0));
    put_doc(out, "summary", command->gist);
    put_doc(out, "since", "1.0.0");
    put_doc(out, "group", command->group);
    if (count == 0)
        return;
    resp_bulk_text(out, "subcommands");
    resp_map(out, count);
    for (uint64_t i = 0; i < count; i++) {
        put_full_name(out, command, &table[i]);
        resp_map(out, 3);
        put_doc(out, "summary", table[i].gist);
        put_doc(out, "since", "1.0.0");
        put_doc(out, "group", command->group);
    }
}

static void run_docs(struct resp_session *session, const struct resp_ask *ask)
{
    uint32_t known = 0;
    (void)session;
    if (ask->args_count == 2) {
        resp_map(ask->out, COMMANDS_COUNT);
        for (unsigned i = 0; i < COMMANDS_COUNT; i++)
            put_docs(ask->out, &commands[i]);
        return;
    }
    for (uint32_t i = 2; i < ask->args_count; i++)
        known += command_find(ask->args[i]) != NULL;
    resp_map(ask->out, known);
    for (uint32_t i = 2; i < ask->args_count; i++) {
        const struct command *command = command_find(ask->args[i]);
        if (command != NULL)
            put_docs(ask->out, command);
    }
}

/* ---- LIST ---- */

static bool is_of_category(const struct command *command, struct bytes word)
{
    const char *categories[4];
    const unsigned count = list_categories(command, categories);
    for (unsigned i = 0; i < count; i++)
        if (bytes_is_word(word, categories[i] + 1)) /* without the @ */
            return true;
    return false;
}

static bool is_listed(const struct command *command, const struct resp_ask *ask)
{
    if (ask->args_count == 2)
        return true;
    if (bytes_is_word(ask->args[3], "aclcat"))
        return is_of_category(command, ask->args[4]);
    return bytes_is_word(ask->args[3], "pattern") &&
           glob_matches(ask->args[4], bytes_of(command->name));
}

static void run_list(struct resp_session *session, const struct resp_ask *ask)
{
    (void)session;
    const bool has_filter =
        ask->args_count == 5 && bytes_is_word(ask->args[2], "filterby") &&
        (bytes_is_word(ask->args[3], "aclcat") || bytes_is_word(ask->args[3], "pattern") ||
         bytes_is_word(ask->args[3], "module"));
    if (ask->args_count != 2 && !has_filter) {
        resp_error(ask->out, "ERR syntax error");
        return;
    }
    uint64_t count = 0;
    const size_t begun = resp_begin_array(ask->out);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        if (!is_listed(&commands[i], ask))
            continue;
        resp_bulk_text(ask->out, commands[i].name);
        count++;
    }
    resp_end_array(ask->out, begun, count);
}

/* ---- GETKEYS ---- */

/* False: refused. */
static bool find_keys(const struct resp_ask *ask, struct command_keys *keys)
{
    const struct command *command = command_find(ask->args[2]);
    const uint32_t args_count = ask->args_count - 2;
    const char *error = NULL;
    if (command == NULL)
        error = "ERR Invalid command specified";
    else if (command->first_key == 0 && (command->flags & COMMAND_COUNTED) == 0)
        error = "ERR The command has no key arguments";
    else if (!command_takes(command, args_count))
        error = "ERR Invalid number of arguments specified for command";
    else if (!command_find_keys(command, ask->args + 2, args_count, keys) ||
             command_keys_count(keys) == 0)
        error = "ERR Invalid arguments specified for command";
    if (error != NULL)
        resp_error(ask->out, error);
    return error == NULL;
}

static void run_getkeys(struct resp_session *session, const struct resp_ask *ask)
{
    struct command_keys keys;
    (void)session;
    if (!find_keys(ask, &keys))
        return;
    const uint32_t count = command_keys_count(&keys);
    resp_array(ask->out, count);
    for (uint32_t i = 0; i < count; i++)
        resp_bulk(ask->out, ask->args[2 + command_key_place(&keys, i)]);
}

static void run_getkeysandflags(struct resp_session *session, const struct resp_ask *ask)
{
    struct command_keys keys;
    (void)session;
    if (!find_keys(ask, &keys))
        return;
    const uint32_t count = command_keys_count(&keys);
    resp_array(ask->out, count);
    for (uint32_t i = 0; i < count; i++) {
        resp_array(ask->out, 2);
        resp_bulk(ask->out, ask->args[2 + command_key_place(&keys, i)]);
        put_key_flags(ask->out, command_find(ask->args[2]));
    }
}

const struct resp_subcommand resp__command_subcommands[] = {
    {"count", 2, run_count, "COUNT", "How many there are."},
    {"info", -2, run_info, "INFO [<name> ...]", "Details of these, or of all."},
    {"docs", -2, run_docs, "DOCS [<name> ...]", "What they do."},
    {"list", -2, run_list, "LIST [FILTERBY <ACLCAT <category>|PATTERN <pattern>|MODULE <name>>]",
     "Their names."},
    {"getkeys", -3, run_getkeys, "GETKEYS <command>", "Which of its arguments are keys."},
    {"getkeysandflags", -3, run_getkeysandflags, "GETKEYSANDFLAGS <command>",
     "The same, and what is done with them."},
    {"help", 2, resp__help, "HELP", "This."},
    {.name = NULL},
};

void resp__command(struct resp_session *session, const struct resp_ask *ask)
{
    if (ask->args_count == 1)
        run_all(ask);
    else
        resp__run_subcommand(session, ask, resp__command_subcommands);
}
