// A contract whose every call reverts with the custom error Refused(42). It is
// assembled by hand because a compiler would be a large dependency for 21 bytes.
export const abi = [{ type: "error", name: "Refused", inputs: [{ name: "code", type: "uint256" }] }];

const runtime = [
  "63590a5151", // PUSH4 Refused(uint256)
  "60e0", "1b", // PUSH1 224, SHL
  "6000", "52", // PUSH1 0, MSTORE
  "602a", "6004", "52", // PUSH1 42, PUSH1 4, MSTORE
  "6024", "6000", "fd", // PUSH1 36, PUSH1 0, REVERT
].join("");

const init = [
  "6015", "600c", "6000", "39", // PUSH1 21, PUSH1 12, PUSH1 0, CODECOPY
  "6015", "6000", "f3", // PUSH1 21, PUSH1 0, RETURN
].join("");

export const bytecode = "0x" + init + runtime;
