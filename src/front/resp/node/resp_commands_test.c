/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/node/resp_commands_test.c - what is asked about the node. */
#include "front/resp/session/resp_session_testing.h"

#include <criterion/criterion.h>

#define ID "0000000000000000000000000000000000000007"

#define ON(suite, name) Test(suite, name, .init = begin_sessions, .fini = end_sessions)

ON(resp_cluster, has_all_slots_where_the_client_connected_to)
{
    EXPECT_SAID("CLUSTER SLOTS", "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.0.0.9\r\n:6380\r\n"
                                 "$40\r\n" ID "\r\n*0\r\n");
    EXPECT_SAID("CLUSTER NODES", "$97\r\n" ID " 10.0.0.9:6380@0 myself,master - 0 0 0 connected "
                                 "0-16383\n\r\n");
    EXPECT_HOLDS("CLUSTER SHARDS", "*14\r\n$2\r\nid\r\n$40\r\n" ID "\r\n$4\r\nport\r\n:6380\r\n");
    EXPECT_HOLDS("CLUSTER INFO", "cluster_state:ok\r\n");
    EXPECT_SAID("CLUSTER MYID", "$40\r\n" ID "\r\n");
    EXPECT_SAID("CLUSTER LINKS", "*0\r\n");
    EXPECT_SAID("CLUSTER REPLICAS " ID, "*0\r\n");
    EXPECT_SAID("CLUSTER REPLICAS x", "-ERR Unknown node x\r\n");
}

ON(resp_cluster, tells_the_address_that_is_announced)
{
    testing_settings.announce =
        (struct config_address){.kind = CONFIG_ADDRESS_NAME, .host = "pando.example", .port = 7000};
    EXPECT_HOLDS("CLUSTER SLOTS", "$13\r\npando.example\r\n:7000\r\n");
    testing_settings.announce = (struct config_address){0};
}

ON(resp_cluster, counts_slots_as_redis_does)
{
    EXPECT_SAID("CLUSTER KEYSLOT foo", ":12182\r\n");
    EXPECT_SAID("CLUSTER KEYSLOT a{foo}b", ":12182\r\n");
    EXPECT_SAID("CLUSTER KEYSLOT",
                "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n");
}

ON(resp_cluster, changes_nothing)
{
    EXPECT_HOLDS("CLUSTER MEET 10.0.0.1 7000", "-ERR Pando is the one node");
    EXPECT_HOLDS("CLUSTER GETKEYSINSLOT 1 10", "-ERR keys are not kept by slot");
    EXPECT_SAID("CLUSTER NO", "-ERR unknown subcommand 'NO'. Try CLUSTER HELP.\r\n");
    EXPECT_SAID("READONLY", "+OK\r\n");
    EXPECT_SAID("READWRITE", "+OK\r\n");
    EXPECT_SAID("ASKING", "+OK\r\n");
    EXPECT_HOLDS("INFO cluster", "cluster_enabled:1\r\n");
}

ON(resp_slow_commands, slowlog_is_asked_as_in_redis)
{
    EXPECT_SAID("SLOWLOG GET", "*0\r\n");
    EXPECT_SAID("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1\r\n");
    EXPECT_SAID("SLOWLOG GET x", "-ERR count should be greater than or equal to -1\r\n");
    EXPECT_SAID("SLOWLOG LEN", ":0\r\n");
    EXPECT_SAID("SLOWLOG RESET", "+OK\r\n");
    EXPECT_HOLDS("SLOWLOG HELP", "+SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Sub");
    EXPECT_SAID("LATENCY LATEST", "*0\r\n");
    EXPECT_SAID("LATENCY RESET", ":0\r\n");
    EXPECT_SAID("LATENCY GRAPH x", "-ERR No samples available for event 'x'\r\n");
}

ON(resp_alone, says_that_it_is_one_and_refuses_the_rest_in_a_sentence)
{
    EXPECT_SAID("ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    EXPECT_SAID("WAIT 1 100", ":0\r\n");
    EXPECT_SAID("WAIT 1 -1", "-ERR timeout is negative\r\n");
    EXPECT_SAID("WAIT x 1", "-ERR value is not an integer or out of range\r\n");
    EXPECT_HOLDS("MONITOR", "-ERR MONITOR is refused");
    EXPECT_HOLDS("SHUTDOWN NOSAVE", "-ERR SHUTDOWN is refused");
    EXPECT_HOLDS("DEBUG SLEEP 1", "-ERR DEBUG is refused");
    EXPECT_HOLDS("SwapDB 0 1", "-ERR there is one database");
    EXPECT_HOLDS("BGSAVE", "-ERR nothing is saved apart");
    EXPECT_HOLDS("REPLICAOF NO ONE", "-ERR this node follows no other one");
}

ON(resp_memory, tells_what_keys_take)
{
    EXPECT_HOLDS("MEMORY STATS", "*12\r\n$14\r\npeak.allocated\r\n");
    EXPECT_HOLDS("MEMORY STATS", "keys.count\r\n:7\r\n");
    EXPECT_SAID("MEMORY USAGE", "-ERR wrong number of arguments for 'memory|usage' command\r\n");
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("MEMORY STATS", "-ERR Command not allowed inside a transaction\r\n");
}

ON(resp_docs, know_subcommands)
{
    EXPECT_HOLDS("COMMAND DOCS slowlog", "subcommands\r\n*8\r\n$11\r\nslowlog|get\r\n");
    EXPECT_HOLDS("COMMAND INFO memory", "$12\r\nmemory|usage\r\n:-3\r\n");
    EXPECT_SAID("COMMAND GETKEYS memory usage k", "*1\r\n$1\r\nk\r\n");
}
