/* hiredis_client.c PORT: a program on hiredis, as its users write them, against the cache: single commands, binary
 * values, errors, a long pipeline, and many connections at a time. Prints what is wrong and ends with 1, or with 0. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIPELINED = 10000, CONNECTIONS = 200, LARGE = 5 * 1024 * 1024 };

static void check(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "hiredis_client: %s\n", what);
    exit(1);
}

static redisContext *connect_to(int port)
{
    redisContext *context = redisConnect("127.0.0.1", port);
    check(context != NULL && context->err == 0, "no connection");
    return context;
}

static redisReply *checked(void *reply, int type, const char *what)
{
    check(reply != NULL, what);
    check(((redisReply *)reply)->type == type, what);
    return reply;
}

static void single_commands(redisContext *context)
{
    redisReply *reply = checked(redisCommand(context, "SET %s %b", "binary", "a\0b\r\nc", (size_t)6),
                                REDIS_REPLY_STATUS, "SET");
    check(strcmp(reply->str, "OK") == 0, "SET says OK");
    freeReplyObject(reply);
    reply = checked(redisCommand(context, "GET binary"), REDIS_REPLY_STRING, "GET");
    check(reply->len == 6 && memcmp(reply->str, "a\0b\r\nc", 6) == 0, "a binary value");
    freeReplyObject(reply);
    reply = checked(redisCommand(context, "GET nothing"), REDIS_REPLY_NIL, "GET of nothing");
    freeReplyObject(reply);
    reply = checked(redisCommand(context, "INCR binary"), REDIS_REPLY_ERROR, "INCR of text");
    check(strcmp(reply->str, "ERR value is not an integer or out of range") == 0, "the text of an error");
    freeReplyObject(reply);
    reply = checked(redisCommand(context, "MSET a 1 b 2 c 3 d 4"), REDIS_REPLY_STATUS, "MSET");
    freeReplyObject(reply);
    reply = checked(redisCommand(context, "MGET d nothing a"), REDIS_REPLY_ARRAY, "MGET");
    check(reply->elements == 3 && strcmp(reply->element[0]->str, "4") == 0 &&
              reply->element[1]->type == REDIS_REPLY_NIL && strcmp(reply->element[2]->str, "1") == 0,
          "MGET's order");
    freeReplyObject(reply);
}

static void large_value(redisContext *context)
{
    char *value = malloc(LARGE);
    check(value != NULL, "no memory");
    for (int i = 0; i < LARGE; i++)
        value[i] = (char)(i % 251);
    freeReplyObject(
        checked(redisCommand(context, "SET large %b", value, (size_t)LARGE), REDIS_REPLY_STATUS, "SET large"));
    redisReply *reply = checked(redisCommand(context, "GET large"), REDIS_REPLY_STRING, "GET large");
    check(reply->len == LARGE && memcmp(reply->str, value, LARGE) == 0, "a large value");
    freeReplyObject(reply);
    free(value);
}

static void pipeline(redisContext *context)
{
    void *reply;
    for (int i = 0; i < PIPELINED; i++) {
        redisAppendCommand(context, "SET pipe:%d %d", i, i);
        redisAppendCommand(context, "GET pipe:%d", i);
    }
    for (int i = 0; i < PIPELINED; i++) {
        check(redisGetReply(context, &reply) == REDIS_OK, "a pipeline's reply");
        freeReplyObject(checked(reply, REDIS_REPLY_STATUS, "SET in a pipeline"));
        check(redisGetReply(context, &reply) == REDIS_OK, "a pipeline's reply");
        check(atoi(checked(reply, REDIS_REPLY_STRING, "GET in a pipeline")->str) == i, "a pipeline's order");
        freeReplyObject(reply);
    }
}

static void many_connections(int port)
{
    static redisContext *contexts[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        contexts[i] = connect_to(port);
    for (int i = 0; i < CONNECTIONS; i++) {
        freeReplyObject(checked(redisCommand(contexts[i], "SET conn:%d %d", i, i), REDIS_REPLY_STATUS, "SET of many"));
        redisReply *reply = checked(redisCommand(contexts[CONNECTIONS - 1 - i], "GET conn:%d", i), REDIS_REPLY_STRING,
                                    "GET of many");
        check(atoi(reply->str) == i, "another connection's value");
        freeReplyObject(reply);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        redisFree(contexts[i]);
}

int main(int argc, char **argv)
{
    check(argc == 2, "usage: hiredis_client PORT");
    int port = atoi(argv[1]);
    redisContext *context = connect_to(port);
    single_commands(context);
    large_value(context);
    pipeline(context);
    many_connections(port);
    redisFree(context);
    return 0;
}
