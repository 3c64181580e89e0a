#!/usr/bin/env python3
"""Graphs in graphs (If, Loop, Scan) in the onnx project's layout; outputs are ONNX Runtime's.

    python3 tests/golden/onnx/make-flow-cases.py     (needs onnx 1.23, onnxruntime 1.31, numpy; writes tests/golden/onnx/flow)

What onnx.shape_inference knows of them is in shapes.txt (make-shapes.py).
"""
import os
import shutil

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort

import casefolder

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flow")
HEAD = '<ir_version: 9, opset_import: ["" : 21]>\n'
X = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
# name: (text, inputs)
CASES = {
    "if-same": ("""g (bool c, float[n,4] x) => (float[] y) {
        y0 = If (c) <then_branch = t () => (float[] a) { a = Neg (x) }, else_branch = e () => (float[] b) { b = Mul (x, x) }>
        y = Relu (y0) }""", [np.array(True), X]),
    "if-differ": ("""g (bool c, float[n,4] x, float[2,4] z) => (float[] y) {
        y0 = If (c) <then_branch = t () => (float[] a) { a = Concat <axis = 0> (x, z) }, else_branch = e () => (float[] b) { b = Identity (x) }>
        y = ReduceSum <keepdims = 0> (y0) }""", [np.array(False), X, X[:2]]),
    "if-ranks": ("""g (bool c, float[n,4] x) => (float[] y) {
        y0 = If (c) <then_branch = t () => (float[] a) { a = Identity (x) }, else_branch = e () => (float[] b) { b = Flatten <axis = 0> (x) }>
        y1, y2 = If (c) <then_branch = t () => (float[] p, int64[] q) { p = Exp (x) q = Shape (x) }, else_branch = e () => (float[] r, int64[] s) { r = Sqrt (x) s = Shape (x) }>
        y3 = Add (y1, y1) y = Concat <axis = 0> (y3, y0) }""", [np.array(True), X]),
    "if-in-if": ("""g (bool c, bool d, float[n,4] x) => (float[] y) {
        y0 = If (c) <then_branch = t () => (float[] a) { a = If (d) <then_branch = tt () => (float[] f) { f = Neg (x) }, else_branch = te () => (float[] h) { h = Abs (x) }> },
                     else_branch = e () => (float[] b) { b = Relu (x) }>
        y = Exp (y0) }""", [np.array(True), np.array(False), X]),
    "loop-state": ("""g (float[n,4] x) => (float[] y) <int64 m = {3}> {
        y0 = Loop (m, , x) <body = b (int64 i, bool c, float[n,4] s) => (bool co, float[n,4] so) { co = Identity (c) so = Add (s, s) }>
        y = Neg (y0) }""", [X]),
    "loop-grows": ("""g (float[n,4] x) => (float[] y) <int64 m = {2}> {
        y0 = Loop (m, , x) <body = b (int64 i, bool c, float[k,4] s) => (bool co, float[l,4] so) { co = Identity (c) so = Concat <axis = 0> (s, x) }>
        y = Neg (y0) }""", [X]),
    "loop-list": ("""g (float[n,4] x) => (float[] y, float[] z) <int64 m = {3}> {
        z0, y0 = Loop (m, , x) <body = b (int64 i, bool c, float[n,4] s) => (bool co, float[n,4] so, float[] each) {
            co = Identity (c) one = Constant <value = float[4] {1, 2, 3, 4}> () so = Add (s, one) each = ReduceSum <keepdims = 0> (so) }>
        y = Neg (y0) z = Abs (z0) }""", [X]),
    "loop-count": ("""g (int64 m, float[n,4] x) => (float[] y) {
        z0, y0 = Loop (m, , x) <body = b (int64 i, bool c, float[n,4] s) => (bool co, float[n,4] so, float[n,4] each) { co = Identity (c) so = Mul (s, s) each = Neg (s) }>
        y = Exp (y0) }""", [np.array(2), X]),
    "loop-while": ("""g (float[n,4] x) => (float[] y, int64[] z) <int64 m = {100}, bool go = {1}> {
        s0, y0 = Loop (m, go, x) <body = b (int64 i, bool c, float[n,4] s) => (bool co, float[n,4] so, float[n,4] each) {
            so = Add (s, x) total = ReduceSum <keepdims = 0> (so) most = Constant <value_float = 40.0> () co = Less (total, most) each = Identity (so) }>
        y = Neg (y0) z = Shape (s0) }""", [X]),
    "loop-none": ("""g (int64 m, float[n,4] x) => (float[] y, float[] z) {
        z0, y0 = Loop (m, , x) <body = b (int64 i, bool c, float[n,4] s) => (bool co, float[n,4] so, float[2] each) {
            co = Identity (c) so = Neg (s) each = Constant <value = float[2] {1, 2}> () }>
        y = Neg (y0) z = Neg (z0) }""", [np.array(0), X]),
    "loop-in-loop": ("""g (float[n,4] x) => (float[] y) <int64 m = {2}> {
        y0 = Loop (m, , x) <body = b (int64 i, bool c, float[n,4] s) => (bool co, float[n,4] so) {
            co = Identity (c)
            so = Loop (m, , s) <body = bb (int64 j, bool d, float[n,4] t) => (bool d_o, float[n,4] to) { d_o = Identity (d) to = Add (t, x) }> }>
        y = Neg (y0) }""", [X]),
    "scan-sum": ("""g (float[4] s, float[n,4] x) => (float[] y, float[] z) {
        y0, z0 = Scan <num_scan_inputs = 1, body = b (float[4] a, float[4] r) => (float[4] ao, float[4] each) { ao = Add (a, r) each = Identity (ao) }> (s, x)
        y = Neg (y0) z = Neg (z0) }""", [X[0], X]),
    "scan-axes": ("""g (float[3] s, float[3,n] x, float[n,2] w) => (float[] y, float[] z, float[] v) {
        y0, z0, v0 = Scan <num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [1, 0], scan_output_axes = [-1, 0], scan_output_directions = [0, 1],
            body = b (float[3] a, float[3] r, float[2] q) => (float[3] ao, float[3] each, float[2] other) { ao = Mul (a, r) each = Sub (a, r) other = Neg (q) }> (s, x, w)
        y = Neg (y0) z = Neg (z0) v = Neg (v0) }""", [X[:, 0], X, X.T[:, :2].copy()]),
    "scan-captured": ("""g (float[4] s, float[n,4] x, float[4,4] w) => (float[] y) {
        last, y0 = Scan <num_scan_inputs = 1, body = b (float[4] a, float[4] r) => (float[4] ao, float[4] each) { p = MatMul (r, w) ao = Add (a, p) each = Tanh (ao) }> (s, x)
        y = Neg (y0) }""", [X[0], X, np.tile(X[0], (4, 1))]),
}

shutil.rmtree(OUT, ignore_errors=True)
ort.set_default_logger_severity(4)
for name, (text, inputs) in CASES.items():
    model = onnx.parser.parse_model(HEAD + text)
    ports = [p.name for p in model.graph.input]
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    casefolder.save(os.path.join(OUT, name), model, inputs, session.run(None, dict(zip(ports, inputs))))
print(len(CASES), "cases")
