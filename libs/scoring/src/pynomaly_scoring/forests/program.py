"""The program, in WebAssembly's text format.

Of a node it reads where its column begins and its split. A row's place in a tree is the number of its node, from the
root on; of eight rows the places are held in registers, so that one need not wait for another.
"""

ROWS = 64
"""Of a block, in which a column's values lie side by side."""
_TOGETHER = 8  # of 1, 2, 4 and 8 the fastest


def _of_each_row(text: str) -> str:
    """The text for every row of those that go together. {row}: its number; {at}: of its float64, bytes."""
    return "".join(text.format(row=row, at=8 * row) for row in range(_TOGETHER))


_PLACE = "(local $place{row} i32)"
_ROOT = "(local.set $place{row} (i32.const 0))"
_CHILD = """
            (local.set $node (i32.add (local.get $tree) (i32.shl (local.get $place{row}) (i32.const 4))))
            (local.set $place{row}
              (i32.sub
                (i32.add (i32.shl (local.get $place{row}) (i32.const 1)) (i32.const 2))
                (f64.le
                  (f64.load offset={at} (i32.add (local.get $row) (i32.load (local.get $node))))
                  (f64.load offset=8 (local.get $node)))))"""
_LEAF = """
          (f64.store offset={at} (local.get $sum)
            (f64.add
              (f64.load offset={at} (local.get $sum))
              (f64.load (i32.add (local.get $leaves_of_tree) (i32.shl (local.get $place{row}) (i32.const 3))))))"""

PROGRAM = f"""
(module
  (memory (export "memory") 1)
  (func (export "add_up")
    (param $n_blocks i32) (param $block i32) (param $nodes i32) (param $leaves i32) (param $sums i32)
    (param $block_bytes i32) (param $tree_bytes i32) (param $leaves_bytes i32) (param $n_trees i32) (param $depth i32)
    (local $tree i32) (local $leaves_of_tree i32) (local $row i32) (local $sum i32) (local $node i32)
    (local $trees_left i32) (local $rows_left i32) (local $levels_left i32)
    {_of_each_row(_PLACE)}
    (loop $each_block
      (local.set $tree (local.get $nodes))
      (local.set $leaves_of_tree (local.get $leaves))
      (local.set $trees_left (local.get $n_trees))
      (loop $each_tree
        (local.set $row (local.get $block))
        (local.set $sum (local.get $sums))
        (local.set $rows_left (i32.const {ROWS}))
        (loop $rows_together
          {_of_each_row(_ROOT)}
          (local.set $levels_left (local.get $depth))
          (loop $each_level{_of_each_row(_CHILD)}
            (br_if $each_level (local.tee $levels_left (i32.sub (local.get $levels_left) (i32.const 1)))))
          {_of_each_row(_LEAF)}
          (local.set $row (i32.add (local.get $row) (i32.const {8 * _TOGETHER})))
          (local.set $sum (i32.add (local.get $sum) (i32.const {8 * _TOGETHER})))
          (br_if $rows_together
            (local.tee $rows_left (i32.sub (local.get $rows_left) (i32.const {_TOGETHER})))))
        (local.set $tree (i32.add (local.get $tree) (local.get $tree_bytes)))
        (local.set $leaves_of_tree (i32.add (local.get $leaves_of_tree) (local.get $leaves_bytes)))
        (br_if $each_tree (local.tee $trees_left (i32.sub (local.get $trees_left) (i32.const 1)))))
      (local.set $block (i32.add (local.get $block) (local.get $block_bytes)))
      (local.set $sums (i32.add (local.get $sums) (i32.const {8 * ROWS})))
      (br_if $each_block (local.tee $n_blocks (i32.sub (local.get $n_blocks) (i32.const 1)))))))
"""
