// What a dApp does with viem: reads, a batch, a signed transaction to its
// receipt, and a call that reverts. Prints what it saw and what it sent.
import {
  BaseError,
  createPublicClient,
  createWalletClient,
  decodeErrorResult,
  defineChain,
  http,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { Calls, args, report } from "./calls.mjs";
import { abi, bytecode } from "./refuser.mjs";

const { url, privateKey } = args();
const calls = new Calls();

const transport = http(url, {
  batch: true, // calls of one tick leave as one batch
  fetchFn: (input, init) => {
    calls.record(init.body);
    return fetch(input, init);
  },
});
const account = privateKeyToAccount(privateKey);
const client = createPublicClient({ transport, pollingInterval: 200 });
const chainId = await client.getChainId();

const [blockNumber, balance, block] = await Promise.all([
  client.getBlockNumber(),
  client.getBalance({ address: account.address }),
  client.getBlock(),
]);

const chain = defineChain({
  id: chainId,
  name: "test",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [url] } },
});
const wallet = createWalletClient({ account, chain, transport });
const hash = await wallet.deployContract({ abi, bytecode });
const receipt = await client.waitForTransactionReceipt({ hash });

const revert = await client.call({ to: receipt.contractAddress, data: "0x00000000" }).then(
  () => null,
  (err) => decode(err),
);

report(
  {
    client: "viem",
    chainId,
    blockNumber: Number(blockNumber),
    balance,
    block: { number: Number(block.number), hash: block.hash },
    transaction: {
      hash,
      status: receipt.status === "success" ? 1 : 0,
      blockNumber: Number(receipt.blockNumber),
    },
    revert,
  },
  calls,
);

function decode(err) {
  const raw = err instanceof BaseError && err.walk((e) => e.data !== undefined);
  if (!raw) throw err;
  const data = typeof raw.data === "object" ? raw.data.data : raw.data;
  const { errorName: name, args } = decodeErrorResult({ abi, data });
  return { data, name, code: args[0] };
}
