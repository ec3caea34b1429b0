"""Conversations as transformers' apply_chat_template renders them, by templates in the style of
published ones.

Writes crates/andiron-nlp/tests/golden/chat.json.
"""

import golden_json

import tokenizers
import transformers

SEED = 0

SMOL = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined and false %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The system message stands first, or there is none. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
QWEN = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if message.role == "user" and not(message.content.startswith('<tool_response>')) %}
        {%- set ns.last_query_index = index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and reasoning %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
PYTHONIC = """  {% for m in messages %}
  {% if m.role in ('user', 'system') %}
{{ loop.index }}/{{ loop.length }} {{ m.role.capitalize() }}: {{ m.content.strip().replace('a', 'A') | tojson }}
  {% else %}
{{ m | tojson(indent=2) }}{{ m.items() | list | length }}
  {% endif %}
  {% endfor %}
{%- if messages[-1].get('name') is none %} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}{% endif %}

"""

TEMPLATES = {"llama3": LLAMA3, "mistral": MISTRAL, "pythonic": PYTHONIC, "qwen": QWEN, "smol": SMOL}


def say(*turns):
    return [{"role": role, "content": content} for role, content in turns]


CONVERSATIONS = [
    say(("user", "Hello")),
    say(("system", " Be brief.\n"), ("user", "What is\n2 < 3 & \"4\"?  ")),
    say(("user", "Grüße, 日本 🦀"), ("assistant", "<think>\nwell\n</think>\n\n  Hi "), ("user", "and 'now'?")),
    say(("system", "s"), ("user", "u"), ("assistant", "<think>\nso\n</think>\n\nyes")),
    say(("user", "one"), ("user", "two")),
]
NOTES = {
    "templates": "written for this script, in the style of SmolLM2's, Llama 3.2's, Mistral's and Qwen3's; one of Python's methods",
    "cases": "text is null where the template raises an exception, whose message is then in error; bos <s>, eos </s>",
}


def main():
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel({"<s>": 0, "</s>": 1}, "<s>")),
        bos_token="<s>",
        eos_token="</s>",
    )
    cases = []
    for name, template in TEMPLATES.items():
        for messages in CONVERSATIONS:
            for answer in (False, True):
                text = error = None
                try:
                    text = tokenizer.apply_chat_template(
                        messages, chat_template=template, add_generation_prompt=answer, tokenize=False
                    )
                except Exception as problem:
                    error = str(problem)
                cases.append({"template": name, "messages": messages, "answer": answer, "text": text, "error": error})
    print(f"{sum(case['text'] is None for case in cases)} of {len(cases)} are refused")
    golden_json.write(
        "andiron-nlp/tests/golden/chat.json",
        __file__,
        ["transformers", "jinja2"],
        SEED,
        {"cases": cases, "notes": NOTES, "templates": TEMPLATES},
    )


if __name__ == "__main__":
    main()
