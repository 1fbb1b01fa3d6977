// Reads a configuration through the npm package `cloud-config-client`: node node_config.js URL NAME
// PROFILES. Prints the computed properties as JSON. Nothing here knows that the server is not
// Spring's.

const client = require('cloud-config-client');

const [, , endpoint, name, profiles] = process.argv;

client.load({endpoint, name, profiles: profiles.split(',')}).then((config) => {
  const all = {};
  config.forEach((key, value) => {
    all[key] = value;
  });
  console.log(JSON.stringify(all));
}, (error) => {
  console.error(error);
  process.exit(1);
});
