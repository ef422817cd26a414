"""A small honest ALD tool, served over Modbus TCP in place of a real one."""

from simulator.errors import SimulatorError
from simulator.parameter_map import definitions_path
from simulator.recipe import Recipe, al2o3
from simulator.tool import SimulatedTool, ToolDescription

__all__ = ["Recipe", "SimulatedTool", "SimulatorError", "ToolDescription", "al2o3", "definitions_path"]
