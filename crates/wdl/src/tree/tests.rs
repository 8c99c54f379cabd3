use base64::{Engine, engine::general_purpose::STANDARD};
use insta::assert_snapshot;

use super::tree;
use crate::{
    limits::{MAX_NESTING, STACK_BYTES},
    source::Source,
};

/// The tree with the texts of its words readable.
fn shown(text: &str) -> String {
    let tree = tree(&Source::new("folder/t.wdl", text)).unwrap().to_string();
    let readable = |line: &str| match line.split_once('"') {
        Some((before, rest)) => {
            let (word, after) = rest.split_once('"').unwrap();
            format!("{before}{:?}{after}", String::from_utf8(STANDARD.decode(word).unwrap()).unwrap())
        }
        None => line.to_owned(),
    };
    tree.lines().map(readable).collect::<Vec<_>>().join("\n")
}

#[test]
fn words_are_encoded_with_their_places() {
    let tree = tree(&Source::new("folder/t.wdl", "task t { command {} }")).unwrap().to_string();
    assert_snapshot!(tree, @r#"
    (Namespace:
      imports=[],
      body=[
        (Task:
          name=<t.wdl:1:6 identifier "dA==">,
          declarations=[],
          sections=[
            (RawCommand:
              parts=[]
            )
          ]
        )
      ]
    )
    "#);
}

#[test]
fn a_document_of_draft_2_has_the_names_of_the_original() {
    assert_snapshot!(shown(
        "import \"a.wdl\" as a\n# comment\n\
         task t {\n  Array[File]+ fs\n  Int? n\n\
           command {\n    cat ${sep=' ' fs} | head -${default=3 n}\n  }\n\
           output { String s = \"${n}\\t\" + read_string(stdout()) }\n\
           runtime { docker: \"d\" }\n  meta { author: \"me\" }\n}\n\
         workflow w {\n  Map[String, Int] m = {\"k\": (2)}\n\
           scatter (x in [1]) { call a.t as u { input: n = m[\"k\"], fs = o.f } }\n\
           if (!true) { call t }\n  output { u.s u.* }\n}"
    ), @r#"
    (Namespace:
      imports=[
        (Import:
          uri=<t.wdl:1:8 string "a.wdl">,
          namespace=<t.wdl:1:19 identifier "a">
        )
      ],
      body=[
        (Task:
          name=<t.wdl:3:6 identifier "t">,
          declarations=[
            (Declaration:
              type=(NonEmptyType:
                innerType=(Type:
                  name=<t.wdl:4:3 type "Array">,
                  subtype=[
                    <t.wdl:4:9 type "File">
                  ]
                )
              ),
              name=<t.wdl:4:16 identifier "fs">,
              expression=None
            ),
            (Declaration:
              type=(OptionalType:
                innerType=<t.wdl:5:3 type "Int">
              ),
              name=<t.wdl:5:8 identifier "n">,
              expression=None
            )
          ],
          sections=[
            (RawCommand:
              parts=[
                <t.wdl:6:10 cmd_part "\n    cat ">,
                (CommandParameter:
                  attributes=[
                    (CommandParameterAttr:
                      key=<t.wdl:7:11 identifier "sep">,
                      value=<t.wdl:7:15 string " ">
                    )
                  ],
                  expr=<t.wdl:7:19 identifier "fs">
                ),
                <t.wdl:7:22 cmd_part " | head -">,
                (CommandParameter:
                  attributes=[
                    (CommandParameterAttr:
                      key=<t.wdl:7:33 identifier "default">,
                      value=<t.wdl:7:41 string "3">
                    )
                  ],
                  expr=<t.wdl:7:43 identifier "n">
                ),
                <t.wdl:7:45 cmd_part "\n  ">
              ]
            ),
            (Outputs:
              attributes=[
                (Output:
                  type=<t.wdl:9:10 type "String">,
                  name=<t.wdl:9:17 identifier "s">,
                  expression=(Add:
                    lhs=<t.wdl:9:21 string "${n}\t">,
                    rhs=(FunctionCall:
                      name=<t.wdl:9:32 identifier "read_string">,
                      params=[
                        (FunctionCall:
                          name=<t.wdl:9:44 identifier "stdout">,
                          params=[]
                        )
                      ]
                    )
                  )
                )
              ]
            ),
            (Runtime:
              map=[
                (RuntimeAttribute:
                  key=<t.wdl:10:11 identifier "docker">,
                  value=<t.wdl:10:19 string "d">
                )
              ]
            ),
            (Meta:
              map=[
                (RuntimeAttribute:
                  key=<t.wdl:11:10 identifier "author">,
                  value=<t.wdl:11:18 string "me">
                )
              ]
            )
          ]
        ),
        (Workflow:
          name=<t.wdl:13:10 identifier "w">,
          body=[
            (Declaration:
              type=(Type:
                name=<t.wdl:14:3 type "Map">,
                subtype=[
                  <t.wdl:14:7 type "String">,
                  <t.wdl:14:15 type "Int">
                ]
              ),
              name=<t.wdl:14:20 identifier "m">,
              expression=(MapLiteral:
                map=[
                  (MapLiteralKv:
                    key=<t.wdl:14:25 string "k">,
                    value=<t.wdl:14:31 integer "2">
                  )
                ]
              )
            ),
            (Scatter:
              item=<t.wdl:15:10 identifier "x">,
              collection=(ArrayLiteral:
                values=[
                  <t.wdl:15:16 integer "1">
                ]
              ),
              body=[
                (Call:
                  task=<t.wdl:15:27 fqn "a.t">,
                  alias=<t.wdl:15:34 identifier "u">,
                  body=(CallBody:
                    declarations=[],
                    io=[
                      (Inputs:
                        map=[
                          (IOMapping:
                            key=<t.wdl:15:45 identifier "n">,
                            value=(ArrayOrMapLookup:
                              lhs=<t.wdl:15:49 identifier "m">,
                              rhs=<t.wdl:15:51 string "k">
                            )
                          ),
                          (IOMapping:
                            key=<t.wdl:15:57 identifier "fs">,
                            value=(MemberAccess:
                              lhs=<t.wdl:15:62 identifier "o">,
                              rhs=<t.wdl:15:64 identifier "f">
                            )
                          )
                        ]
                      )
                    ]
                  )
                )
              ]
            ),
            (If:
              expression=(LogicalNot:
                expression=<t.wdl:16:6 boolean "true">
              ),
              body=[
                (Call:
                  task=<t.wdl:16:19 fqn "t">,
                  alias=None,
                  body=None
                )
              ]
            ),
            (WorkflowOutputs:
              outputs=[
                (WorkflowOutputWildcard:
                  fqn=<t.wdl:17:12 fqn "u.s">,
                  wildcard=None
                ),
                (WorkflowOutputWildcard:
                  fqn=<t.wdl:17:16 fqn "u">,
                  wildcard=<t.wdl:17:18 asterisk "*">
                )
              ]
            )
          ]
        )
      ]
    )
    "#);
}

#[test]
fn newer_documents_follow_the_grammar_of_1_0() {
    assert_snapshot!(shown(
        "version 1.3\nimport \"s.wdl\" alias A as B\n\
         struct P { Int x meta { a: [1, {b: null}] } }\n\
         enum E[String] { One, Two = \"2\" }\n\
         task t {\n  input { env String? who = None }\n  Float f = (/* ( */ 1.5e-3) ** -2\n\
           command <<< echo \"~{if true then \"a~{who}\" else \"\"}\" >>>\n\
           requirements { memory: \"1 GiB\" }\n  output { P p = P { x: 1 } }\n}\n\
         workflow w {\n  input { E e = E.One }\n  call t { who = <<<\n  a\n  b >>> }\n  call t as u after t\n\
           if (true) { } else if (false) { } else { Pair[Int, Int] q = (1, 2) }\n\
           hints { allow_nested_inputs: true }\n  output { Float y = t.p.x * 1.0 }\n}"
    ), @r#"
    (Document:
      version=(VersionDeclaration:
        v=<t.wdl:1:9 version_name "1.3">
      ),
      imports=[
        (Import:
          uri=<t.wdl:2:8 string "s.wdl">,
          namespace=None,
          aliases=[
            (ImportAlias:
              old_name=<t.wdl:2:22 identifier "A">,
              new_name=<t.wdl:2:27 identifier "B">
            )
          ]
        )
      ],
      body=[
        (Struct:
          name=<t.wdl:3:8 identifier "P">,
          entries=[
            (StructEntry:
              type=<t.wdl:3:12 type "Int">,
              name=<t.wdl:3:16 identifier "x">
            ),
            (Meta:
              map=[
                (MetaKvPair:
                  key=<t.wdl:3:25 identifier "a">,
                  value=(MetaArray:
                    values=[
                      <t.wdl:3:29 integer "1">,
                      (MetaObject:
                        map=[
                          (MetaKvPair:
                            key=<t.wdl:3:33 identifier "b">,
                            value=<t.wdl:3:36 null "null">
                          )
                        ]
                      )
                    ]
                  )
                )
              ]
            )
          ]
        ),
        (Enum:
          name=<t.wdl:4:6 identifier "E">,
          type=<t.wdl:4:8 type "String">,
          choices=[
            (EnumChoice:
              name=<t.wdl:4:18 identifier "One">,
              value=None
            ),
            (EnumChoice:
              name=<t.wdl:4:23 identifier "Two">,
              value=(StringLiteral:
                pieces=[
                  <t.wdl:4:30 string "2">
                ]
              )
            )
          ]
        ),
        (Task:
          name=<t.wdl:5:6 identifier "t">,
          sections=[
            (Inputs:
              inputs=[
                (InputDeclaration:
                  env=<t.wdl:6:11 env "env">,
                  type=(OptionalType:
                    innerType=<t.wdl:6:15 type "String">
                  ),
                  name=<t.wdl:6:23 identifier "who">,
                  expression=<t.wdl:6:29 none "None">
                )
              ]
            ),
            (Declaration:
              type=<t.wdl:7:3 type "Float">,
              name=<t.wdl:7:9 identifier "f">,
              expression=(Power:
                lhs=<t.wdl:7:22 float "1.5e-3">,
                rhs=(UnaryNegation:
                  expression=<t.wdl:7:34 integer "2">
                )
              )
            ),
            (RawCommand:
              parts=[
                <t.wdl:8:12 cmd_part " echo \"">,
                (ExpressionPlaceholder:
                  attributes=[],
                  expr=(TernaryIf:
                    cond=<t.wdl:8:24 boolean "true">,
                    iftrue=(StringLiteral:
                      pieces=[
                        <t.wdl:8:35 string "a">,
                        (ExpressionPlaceholder:
                          attributes=[],
                          expr=<t.wdl:8:38 identifier "who">
                        )
                      ]
                    ),
                    iffalse=(StringLiteral:
                      pieces=[]
                    )
                  )
                ),
                <t.wdl:8:52 cmd_part "\" ">
              ]
            ),
            (Requirements:
              map=[
                (RuntimeAttribute:
                  key=<t.wdl:9:16 identifier "memory">,
                  value=(StringLiteral:
                    pieces=[
                      <t.wdl:9:25 string "1 GiB">
                    ]
                  )
                )
              ]
            ),
            (Outputs:
              outputs=[
                (Output:
                  type=<t.wdl:10:12 identifier "P">,
                  name=<t.wdl:10:14 identifier "p">,
                  expression=(StructLiteral:
                    name=<t.wdl:10:18 identifier "P">,
                    map=[
                      (ObjectKV:
                        key=<t.wdl:10:22 identifier "x">,
                        value=<t.wdl:10:25 integer "1">
                      )
                    ]
                  )
                )
              ]
            )
          ]
        ),
        (Workflow:
          name=<t.wdl:12:10 identifier "w">,
          body=[
            (Inputs:
              inputs=[
                (InputDeclaration:
                  type=<t.wdl:13:11 identifier "E">,
                  name=<t.wdl:13:13 identifier "e">,
                  expression=(MemberAccess:
                    value=<t.wdl:13:17 identifier "E">,
                    member=<t.wdl:13:19 identifier "One">
                  )
                )
              ]
            ),
            (Call:
              task=<t.wdl:14:8 fqn "t">,
              alias=None,
              body=(CallBody:
                inputs=[
                  (CallInputKV:
                    key=<t.wdl:14:12 identifier "who">,
                    value=(StringLiteral:
                      pieces=[
                        <t.wdl:14:21 string "a\nb">
                      ]
                    )
                  )
                ]
              )
            ),
            (Call:
              task=<t.wdl:17:8 fqn "t">,
              alias=<t.wdl:17:13 identifier "u">,
              after=[
                <t.wdl:17:21 identifier "t">
              ],
              body=None
            ),
            (If:
              expression=<t.wdl:18:5 boolean "true">,
              body=[],
              alternatives=[
                (ElseIf:
                  expression=<t.wdl:18:24 boolean "false">,
                  body=[]
                ),
                (Else:
                  body=[
                    (Declaration:
                      type=(Type:
                        name=<t.wdl:18:42 type "Pair">,
                        subtype=[
                          <t.wdl:18:47 type "Int">,
                          <t.wdl:18:52 type "Int">
                        ]
                      ),
                      name=<t.wdl:18:57 identifier "q">,
                      expression=(TupleLiteral:
                        values=[
                          <t.wdl:18:62 integer "1">,
                          <t.wdl:18:65 integer "2">
                        ]
                      )
                    )
                  ]
                )
              ]
            ),
            (Hints:
              map=[
                (MetaKvPair:
                  key=<t.wdl:19:9 identifier "allow_nested_inputs">,
                  value=<t.wdl:19:30 boolean "true">
                )
              ]
            ),
            (Outputs:
              outputs=[
                (Output:
                  type=<t.wdl:20:12 type "Float">,
                  name=<t.wdl:20:18 identifier "y">,
                  expression=(Multiply:
                    lhs=(MemberAccess:
                      value=(MemberAccess:
                        value=<t.wdl:20:22 identifier "t">,
                        member=<t.wdl:20:24 identifier "p">
                      ),
                      member=<t.wdl:20:26 identifier "x">
                    ),
                    rhs=<t.wdl:20:30 float "1.0">
                  )
                )
              ]
            )
          ]
        )
      ]
    )
    "#);
}

#[test]
fn broken_syntax_has_no_tree_and_hostile_documents_have_one() {
    let test = || {
        assert_eq!(tree(&Source::new("t.wdl", "version 1.0\ntask t {")).unwrap_err().len(), 1);
        let deep =
            format!("version 1.1\nworkflow w {{ Array[Int] x = {}1{} }}", "[".repeat(MAX_NESTING - 10), "]".repeat(MAX_NESTING - 10));
        let chain = format!("version 1.1\nworkflow w {{ Int x = {}1 }}", "1 + ".repeat(1_900));
        for text in [deep, chain] {
            let lines = tree(&Source::new("t.wdl", text)).unwrap().to_string().lines().count();
            assert!(lines > MAX_NESTING, "{lines}");
        }
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(test).unwrap().join().unwrap();
}
