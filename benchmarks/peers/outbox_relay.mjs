// pg-transactional-outbox with a handler that adds each message to a Redis stream.
//
//   node outbox_relay.mjs statements polling|replication   prints the library's own SQL for its tables
//   node outbox_relay.mjs run polling|replication          relays until standard input ends
//
// Settings are one line of JSON on standard input: {database, redis, connections, batchSize}.
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import {
  createReplicationSegmentMutexConcurrencyController,
  DatabaseSetup,
  getDefaultLogger,
  initializePollingMessageListener,
  initializeReplicationMessageListener,
} from 'pg-transactional-outbox'

const [command, listener] = process.argv.slice(2)
const place = { outboxOrInbox: 'outbox', schema: 'peers', table: 'outbox' }
const nextMessagesName = 'next_outbox_messages'
const publication = 'peers_outbox'

if (command === 'statements') {
  const polling = DatabaseSetup.createPollingFunction({ ...place, nextMessagesName }) + DatabaseSetup.setupPollingIndexes(place)
  const replication = `DROP PUBLICATION IF EXISTS ${publication};
    CREATE PUBLICATION ${publication} FOR TABLE ${place.schema}.${place.table} WITH (publish = 'insert');`
  console.log(DatabaseSetup.dropAndCreateTable(place) + (listener === 'polling' ? polling : replication))
} else {
  await run()
}

async function run() {
  const input = createInterface({ input: process.stdin })
  const { database, redis: address, connections, batchSize } = JSON.parse((await input[Symbol.asyncIterator]().next()).value)
  const redis = new Redis(address, { enableAutoPipelining: true })
  const handler = {
    handle: async message => {
      await redis.xadd(message.aggregateType, '*', 'id', message.id, 'type', message.messageType,
        'subject', message.aggregateId, 'data', JSON.stringify(message.payload))
    },
  }
  input.once('close', () => process.exit(0)) // its own shutdown reports every message that waits for a connection
  listener === 'polling' ? poll() : replicate()

  function poll() {
    const settings = {
      ...common(),
      nextMessagesFunctionSchema: place.schema,
      nextMessagesFunctionName: nextMessagesName,
      nextMessagesBatchSize: batchSize,
      nextMessagesPollingIntervalInMs: 10,
    }
    // The library's own strategy begins with `batchSize` batches of one message.
    const batchSizeStrategy = async () => batchSize
    return initializePollingMessageListener(config(settings), handler, logger(), { batchSizeStrategy })
  }

  function replicate() {
    const settings = { ...common(), dbPublication: publication, dbReplicationSlot: publication }
    const concurrencyStrategy = createReplicationSegmentMutexConcurrencyController()
    return initializeReplicationMessageListener(config(settings), handler, logger(), { concurrencyStrategy })
  }

  function config(settings) {
    const pool = { connectionString: database, max: connections }
    return { outboxOrInbox: 'outbox', dbListenerConfig: pool, dbHandlerConfig: pool, settings }
  }
}

function common() {
  return {
    dbSchema: place.schema,
    dbTable: place.table,
    enableMaxAttemptsProtection: false,
    enablePoisonousMessageProtection: false,
    messageCleanupIntervalInMs: 0,
  }
}

function logger() {
  const logger = getDefaultLogger('peer')
  logger.level = 'error'
  return logger
}
