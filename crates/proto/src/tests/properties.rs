//! What holds for every text, point and time.

use super::Recorder;
use super::sample::id;
use crate::convert::{Seal, codes, degrees};
use crate::view::timestamp;
use crate::{IntoCommand, v1};
use handoff_domain::command::Act;
use handoff_domain::time::{MILLIS_MAX, Millis};
use proptest::prelude::*;

fn receive(place: v1::PlaceInput) -> v1::ReceiveRequest {
    let intake = Some(v1::Intake { place: Some(place), ..Default::default() });
    v1::ReceiveRequest { request_id: id(1), incident: id(2), intake, ..Default::default() }
}

proptest! {
    #[test]
    fn a_text_is_sealed_as_it_is_or_refused(text in "\\PC{1,40}|.{1,40}") {
        let note = v1::NoteRequest { request_id: id(1), incident: id(2), text: text.clone(), ..Default::default() };
        let mut sealer = Recorder::default();
        match note.into_command(&mut sealer) {
            Ok(_) => prop_assert_eq!(sealer.texts, [("text".to_owned(), text)]),
            Err(violations) => {
                let code = violations.0[0].code;
                prop_assert!([codes::CONTROL_CHARACTER, codes::BIDI_CONTROL, codes::NOT_NFC].contains(&code));
                prop_assert!(sealer.texts.is_empty());
            }
        }
    }

    #[test]
    fn a_point_is_kept_exactly_and_shown_within_half_a_step_of_the_grid(
        latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64, grid7 in 1_u64..=10_000_000,
    ) {
        let mut sealer = Recorder { grid7: Some(grid7), ..Recorder::default() };
        let place = v1::PlaceInput { latitude: Some(latitude), longitude: Some(longitude), ..Default::default() };
        let decoded = receive(place).into_command(&mut sealer).unwrap();
        let (_, lat7, lon7) = sealer.points[0].clone();
        prop_assert!((degrees(lat7, 90.0) - latitude).abs() < 1e-7);
        prop_assert!((degrees(lon7, 180.0) - longitude).abs() < 1e-7);
        let Act::Receive(received) = decoded.command.act else { panic!("another move") };
        let place = received.place.unwrap();
        for (clear, exact, max) in [(place.lat7, lat7, 1_800_000_000), (place.lon7, lon7, 3_600_000_000)] {
            let clear = clear.unwrap();
            prop_assert!(clear % sealer.grid7() == 0 && clear <= max);
            // At the far end the last point of the grid on earth may be up to a step away.
            prop_assert!(clear.abs_diff(exact) <= grid7.div_ceil(2) || max - exact < grid7);
        }
    }

    #[test]
    fn a_time_comes_back_as_it_went_out(ms in 0..=MILLIS_MAX) {
        let request = v1::SeeAlertRequest {
            request_id: id(1),
            incident: id(2),
            claimed_time: Some(timestamp(Millis(ms))),
            ..Default::default()
        };
        let decoded = request.into_command(&mut Recorder::default()).unwrap();
        prop_assert_eq!(decoded.command.claimed_at, Some(Millis(ms)));
    }
}
