import { memoryStore } from '../../src/store/memory.ts';
import { contract } from './suite.ts';

contract('memory', { open: () => Promise.resolve(memoryStore()) });
