/** In place of `randombytes`: simple-peer names its log lines with it, and channels that have no name; ours has one. */
module.exports = () => "";
