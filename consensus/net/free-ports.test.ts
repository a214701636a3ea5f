import t from 'tap'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { freePorts } from './free-ports.js'

t.test('ports come once, are free, and lie where no system hands out ports', async (t) => {
  const [udp, tcp, more] = await Promise.all([
    freePorts(20, 'udp'),
    freePorts(20, 'tcp'),
    freePorts(70, 'tcp'),
  ])
  const all = [...udp, ...tcp, ...more]
  t.equal(new Set(all).size, 110)
  t.ok(all.every((port) => port >= 16_384 && port < 32_768))

  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(udp[0], '127.0.0.1', resolve))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(tcp[0], '127.0.0.1', resolve))
  socket.close()
  server.close()
})

t.test('a port that somebody has is passed over', async (t) => {
  const [before] = await freePorts(1, 'udp')
  const [socket, server] = [createSocket('udp4'), createServer()]
  await new Promise<void>((resolve) => socket.bind(before + 1, '127.0.0.1', resolve))
  await new Promise<void>((resolve) => server.listen(before + 2, '127.0.0.1', resolve))
  t.equal((await freePorts(1, 'udp'))[0], before + 2, 'taken for UDP; TCP is another matter')
  const [tcp] = await freePorts(1, 'tcp')
  t.ok(tcp > before + 2)
  socket.close()
  server.close()
})
