import { z } from 'zod';
import { ConfigSchema } from './schema.js';

/** When a change of a setting takes effect in a running server. */
export type Applies = 'at once' | 'new sessions' | 'restart';

/** One setting, as documentation and the environment name it. */
export interface ConfigField {
  path: string[];
  env: string;
  type: string;
  default: unknown;
  description: string;
  applies: Applies;
  /** Not to be shown: a password, or an address that holds one. */
  secret: boolean;
}

interface JsonSchemaNode {
  type?: string;
  properties?: Record<string, JsonSchemaNode>;
  default?: unknown;
  description?: string;
  enum?: unknown[];
  applies?: Applies;
  secret?: boolean;
}

/** All settings in the order of the schema. */
export function configFields(): readonly ConfigField[] {
  return (known ??= listFields());
}
let known: ConfigField[] | undefined;

function listFields(): ConfigField[] {
  const fields: ConfigField[] = [];
  const walk = (node: JsonSchemaNode, path: string[]): void => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const here = [...path, key];
      if (child.properties) walk(child, here);
      else {
        fields.push({
          path: here,
          env: `DH_LIVE_${here.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`,
          type: child.enum ? child.enum.map(String).join(' | ') : (child.type ?? 'string'),
          default: child.default,
          description: child.description ?? '',
          applies: child.applies ?? 'at once',
          secret: child.secret ?? false,
        });
      }
    }
  };
  walk(z.toJSONSchema(ConfigSchema, { io: 'input' }) as JsonSchemaNode, []);
  return fields;
}
