// What a dApp does with ethers: reads, a batch, a signed transaction to its
// receipt, and a call that reverts. Prints what it saw and what it sent.
import { Contract, ContractFactory, FetchRequest, JsonRpcProvider, Wallet } from "ethers";
import { Calls, args, report } from "./calls.mjs";
import { abi, bytecode } from "./refuser.mjs";

const { url, privateKey } = args();
const calls = new Calls();

const request = new FetchRequest(url);
const send = FetchRequest.createGetUrlFunc();
request.getUrlFunc = (req, signal) => {
  calls.record(req.body);
  return send(req, signal);
};
const provider = new JsonRpcProvider(request, undefined, { pollingInterval: 200 });
const wallet = new Wallet(privateKey, provider);

const { chainId } = await provider.getNetwork();

// Calls of one tick leave as one batch.
const [blockNumber, balance, block] = await Promise.all([
  provider.getBlockNumber(),
  provider.getBalance(wallet.address),
  provider.getBlock("latest"),
]);

const deployment = await new ContractFactory(abi, bytecode, wallet).deploy();
const receipt = await deployment.deploymentTransaction().wait();

const refuser = new Contract(receipt.contractAddress, abi, provider);
const revert = await provider.call({ to: receipt.contractAddress, data: "0x00000000" }).then(
  () => null,
  (err) => ({ data: err.data, ...decode(err.data) }),
);

provider.destroy();
report(
  {
    client: "ethers",
    chainId: Number(chainId),
    blockNumber,
    balance,
    block: { number: block.number, hash: block.hash },
    transaction: { hash: receipt.hash, status: receipt.status, blockNumber: receipt.blockNumber },
    revert,
  },
  calls,
);

function decode(data) {
  const { name, args } = refuser.interface.parseError(data);
  return { name, code: args[0] };
}
