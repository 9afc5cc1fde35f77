/** In place of `debug`: simple-peer keeps no log. */
module.exports = () => () => {};
