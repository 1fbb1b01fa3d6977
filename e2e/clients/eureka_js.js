// Lives as a service does through the npm package `eureka-js-client`: node eureka_js.js PORT.
// Registers, renews, fetches, and says goodbye when its input ends; prints a line for each.

const { Eureka } = require('eureka-js-client');

const port = Number(process.argv[2]);
const client = new Eureka({
  instance: {
    app: 'js-shop',
    instanceId: 'js-shop:3000',
    hostName: 'localhost',
    ipAddr: '127.0.0.1',
    statusPageUrl: 'http://localhost:3000/info',
    port: { $: 3000, '@enabled': 'true' },
    vipAddress: 'js-shop',
    dataCenterInfo: {
      '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo',
      name: 'MyOwn',
    },
  },
  eureka: {
    host: '127.0.0.1',
    port,
    servicePath: '/eureka/apps/',
    heartbeatInterval: 200,
    registryFetchInterval: 200,
    maxRetries: 1,
  },
});
client.logger.level('error');

let renewed = 0;
for (const event of ['registered', 'heartbeat', 'registryUpdated', 'deregistered']) {
  client.on(event, () => {
    if (event === 'heartbeat') renewed += 1;
    if (event !== "registryUpdated" && renewed <= 2) console.log(event);
    if (event === 'registryUpdated') {
      const all = client.getInstancesByVipAddress('js-shop');
      if (all.length > 0) console.log(`found ${all[0].instanceId} ${all[0].port.$}`);
    }
  });
}
client.start((error) => {
  if (error) throw error;
});
process.stdin.resume();
process.stdin.on('end', () => client.stop((error) => process.exit(error ? 1 : 0)));
