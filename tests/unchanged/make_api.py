"""Write `api.json`: the public names and signatures that `test_api.py` asks for.

In the folder `tests`: ``python -m unchanged.make_api``.
"""

import json
from pathlib import Path

from unchanged.api_names import described


def main() -> None:
    modules = []
    for module, names in described().items():
        lines = [f"  {json.dumps(name)}: {json.dumps(said)}" for name, said in names.items()]
        modules.append(f" {json.dumps(module)}: {{\n" + ",\n".join(lines) + "\n }")
    text = "{\n" + ",\n".join(modules) + "\n}\n"
    (Path(__file__).parent / "api.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
