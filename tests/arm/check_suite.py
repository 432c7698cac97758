"""Tests of the suite that run on AArch64 as they are written: tables, random geometries, and what is not finite."""

# ruff: noqa: F401 - pytest finds tests by the names in a module.

from tests.test_activations import (
    test_each_activation_is_right_to_a_few_units_in_the_last_place,
    test_nan_and_infinity_become_what_the_formula_says,
)
from tests.test_bands import (
    test_against_pytorch_with_a_residual_and_strided_views,
    test_bands_and_strips_compute_what_channels_last_does,
)
from tests.test_compiled import (
    test_any_geometry_is_right_to_the_bit_for_whole_numbers,
    test_every_number_of_output_channels_is_right,
    test_every_output_width_and_height_is_right_with_one_piece_of_code,
)
from tests.test_compiled import test_table_of_cases as test_table_of_cases_in_float32_and_float64
from tests.test_contracts import (
    test_bits_of_a_pixel_do_not_depend_on_batch_image_size_or_place,
    test_denormal_numbers_are_kept,
    test_nan_and_infinity_in_the_input_reach_exactly_the_outputs_whose_taps_touch_them,
    test_negative_zero_is_what_the_definition_makes_of_it,
    test_padding_gives_the_bits_of_an_image_with_zeros_around_it,
    test_padding_is_zero_and_is_multiplied_by_nan_and_infinity_in_the_kernel,
    test_relu_comes_after_all_chunks_of_the_sum,
    test_relu_of_nan_is_nan_and_of_infinities_is_zero_and_infinity,
)
from tests.test_depthwise_schedule import (
    test_a_pixel_has_the_same_bits_wherever_its_block_begins_and_whether_padding_is_written_out,
    test_errors_of_long_sums_are_those_of_parts_of_512_products,
    test_images_smaller_than_the_kernel_and_outputs_of_nothing_but_padding,
)
from tests.test_depthwise_schedule import test_whatever_it_claims_to_compute_is_right as test_whatever_depthwise_claims
from tests.test_family import (
    test_any_convolution_is_right_to_the_bit_for_whole_numbers_and_about_what_is_not_finite,
    test_one_piece_of_code_is_right_for_every_size_of_a_volume,
)
from tests.test_family import test_table_of_every_kind as test_table_of_the_family_in_float32_and_float64
from tests.test_filter2d import test_any_filter_is_what_the_definition_says
from tests.test_gradients import test_any_geometry as test_gradients_of_any_geometry
from tests.test_gradients import test_table_against_the_definition as test_table_of_gradients
from tests.test_gradients import (
    test_what_is_not_finite_goes_where_the_definition_sends_it as test_gradients_of_what_is_not_finite,
)
from tests.test_gradients_activations import test_slopes_are_those_of_the_definition_and_of_pytorch
from tests.test_gradients_winograd import (
    test_values_are_as_exact_as_direct_sums_but_for_a_few_roundings as test_errors_of_winograds_kernel_gradients,
)
from tests.test_gradients_winograd import (
    test_what_is_not_finite_or_overflows_is_computed_directly as test_winograds_kernel_gradients_of_what_is_not_finite,
)
from tests.test_integer_images import (
    test_any_filter_is_the_definition_rounded,
    test_every_pair_of_types_on_every_target_is_exact_rounded_and_saturated,
    test_nan_becomes_the_lowest_number_and_infinity_saturates_as_the_sign_says,
)
from tests.test_padding_modes import test_one_piece_of_code_is_right_for_every_image_size
from tests.test_rows import test_whatever_it_claims_to_compute_is_right as test_whatever_rows_claims_to_compute_is_right
from tests.test_types import (
    test_errors_are_half_a_unit_of_the_type_and_those_of_a_float32_sum,
    test_every_number_is_read_and_rounded_as_the_type_says,
    test_float16_overflows_to_infinity_only_when_it_is_stored,
    test_winograds_results_are_activated_before_they_are_rounded,
)
from tests.test_types import test_nan_and_infinity_go_where_the_definition_sends_them as test_halves_of_nan_and_infinity
from tests.test_types import test_table_of_cases as test_table_of_cases_in_float16_and_bfloat16
from tests.test_types import test_table_of_the_family as test_table_of_the_family_in_float16_and_bfloat16
from tests.test_winograd import (
    test_results_are_right_to_a_few_roundings,
    test_what_is_not_finite_reaches_exactly_the_outputs_whose_taps_touch_it,
)
from tests.torch.test_pooling import test_every_window_is_pytorchs
