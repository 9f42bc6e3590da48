//! Calls that fit a head and ask it.

use offshoot::Limits;
use offshoot_c::*;

use crate::common::{self, last_error, nowhere, read, room, sized, write};
use crate::{Want, World, misused, settle, string, want};

impl World {
    pub fn fit(&mut self) {
        let id = self.head();
        let mut fit = sized!(Fit);
        let status = offshoot_head_fit(HeadHandle { id }, write(&mut fit));
        self.count(status);
        let made = self.heads.get_mut(&id).map(|head| want(head.fit()));
        if let Some(want) = settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle))) {
            assert_eq!(fit.gradient_norm.to_bits(), want.gradient_norm.to_bits());
            assert_eq!(
                (fit.iterations, fit.converged == 1),
                (want.iterations.into(), want.converged)
            );
        }
        let mut recipe = sized!(Recipe);
        let status = offshoot_head_chosen(HeadHandle { id }, write(&mut recipe));
        self.count(status);
        let made = self.heads.get(&id).map(|head| want(head.chosen()));
        if let Some(want) = settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle))) {
            let found = (recipe.kind, recipe.transform, recipe.inverse_l2);
            assert_eq!(found, (want.kind as u32, want.transform as u32, want.inverse_l2));
        }
    }

    pub fn ask(&mut self) {
        let id = self.head();
        let values = self.values(id);
        let given = common::floats(&values);
        let embedding = offshoot::Embedding::Float(&values);
        let mut answer = sized!(Answer);
        let status = offshoot_head_classify(HeadHandle { id }, read(&given), write(&mut answer));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        if let Some(want) = settle(status, want(head.classify(embedding))) {
            assert_eq!(answer.known == 1, want.known().is_some());
            assert_eq!(answer.class_id as usize, want.class().index());
            assert_eq!(answer.confidence.to_bits(), want.confidence().get().to_bits());
            assert_eq!(answer.margin.to_bits(), want.margin().to_bits());
        }
        let mut similarity = 0.0;
        let mut threshold = 0.0;
        let status = offshoot_head_similarity(
            HeadHandle { id },
            read(&given),
            write(&mut similarity),
            write(&mut threshold),
        );
        if let Some(want) = settle(status, want(head.similarity(embedding))) {
            assert_eq!(similarity, want.0.get());
            assert_eq!(threshold.is_nan(), want.1.is_none());
            assert!(want.1.is_none_or(|want| want.get() == threshold));
        }
        let mut parts = vec![0.0; self.random.pick(&[3, 99])];
        let mut bias = 0.0;
        let status = offshoot_head_contributions(
            HeadHandle { id },
            read(&given),
            0,
            1,
            room(&mut parts),
            parts.len(),
            write(&mut bias),
        );
        let (Some(own), Some(other)) = (head.class_at(0), head.class_at(1)) else {
            return misused(status, Status::NoSuchClass);
        };
        let mut same = vec![0.0; parts.len()];
        if let Some(want) =
            settle(status, want(head.contributions(embedding, own, other, &mut same)))
        {
            assert_eq!((bias, parts), (want, same));
        }
    }

    pub fn report(&mut self) {
        let id = self.head();
        let handle = HeadHandle { id };
        let mut report = sized!(Report);
        let status = offshoot_head_report(handle, write(&mut report));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let Some(want) = settle(status, want(head.report())) else { return };
        assert_eq!((report.asked as usize, report.right as usize), (want.asked(), want.right()));
        assert_eq!((report.low, report.high), (want.interval().low, want.interval().high));
        assert_eq!(report.accuracy.is_nan(), want.accuracy().is_none());
        let mut right = 0;
        for (own, _) in head.classes() {
            let mut of_class = sized!(ClassReport);
            let status =
                offshoot_head_report_class(handle, own.index() as u32, write(&mut of_class));
            assert_eq!(status, Status::Ok);
            assert_eq!(of_class.right as usize, want.confusion(own, own));
            right += of_class.right;
            for (said, _) in head.classes() {
                let mut count = 0;
                let pair = [own, said].map(|class| class.index() as u32);
                let status =
                    offshoot_head_report_confusion(handle, pair[0], pair[1], write(&mut count));
                assert_eq!(status, Status::Ok);
                assert_eq!(count as usize, want.confusion(own, said));
            }
        }
        assert_eq!(right, report.right);
        for sample in 0..head.sample_count() {
            let mut asked = 0;
            let mut said = 0;
            let mut share = 0.0;
            let status = offshoot_head_report_sample(
                handle,
                sample,
                write(&mut asked),
                write(&mut said),
                write(&mut share),
            );
            assert_eq!(status, Status::Ok);
            let found = (asked == 1).then_some((said as usize, share));
            assert_eq!(found, want.answer(sample).map(|(class, share)| (class.index(), share)));
        }
        let advice: Vec<String> = want.advice().map(|advice| advice.to_string()).collect();
        assert_eq!(report.advice as usize, advice.len());
        for (index, want) in advice.iter().enumerate() {
            let mut out = [1; 300];
            let status = offshoot_head_report_advice(handle, index, room(&mut out), 300, nowhere());
            assert_eq!(status, Status::Ok, "{}", last_error());
            assert_eq!(string(&out), *want);
        }
        let status = offshoot_head_report_advice(handle, advice.len(), nowhere(), 0, nowhere());
        misused(status, Status::InvalidValue);
    }

    pub fn describe(&mut self) {
        let id = self.head();
        let handle = HeadHandle { id };
        let mut info = sized!(HeadInfo);
        let status = offshoot_head_get_info(handle, write(&mut info));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        settle(status, Want::Is(()));
        assert_eq!(info.classes as usize, head.class_count());
        assert_eq!(info.samples as usize, head.sample_count());
        assert_eq!((info.dim, info.encoded_bytes), (head.dim(), head.encoded_len()));
        assert_eq!((info.kind, info.when_full), (head.kind() as u32, head.when_full() as u32));
        assert_eq!(info.transform, head.recipe().transform as u32);
        assert_eq!(info.inverse_l2, head.inverse_l2());
        assert_eq!(info.false_rejection_rate, head.false_rejection_rate());
        assert_eq!(info.is_fitted == 1, head.is_fitted());
        assert_eq!(info.package_id, *head.package_id().as_bytes());
        let limits = Limits { classes: info.max_classes as u16, samples: info.max_samples as u16 };
        assert_eq!(limits, head.limits());
        for (class, name) in head.classes() {
            let mut info = sized!(ClassInfo);
            let status = offshoot_head_get_class(handle, class.index() as u32, write(&mut info));
            assert_eq!(status, Status::Ok);
            assert_eq!(string(&info.name), name);
            let found = (info.samples as usize, info.shown);
            assert_eq!(found, (head.samples_of(class), head.shown_of(class)));
        }
        let mut linear = sized!(Linear);
        let mut weights = [0.0; 6 * 64];
        let mut bias = [0.0; 6];
        let status = offshoot_head_linear(
            handle,
            write(&mut linear),
            room(&mut weights),
            6 * 64,
            room(&mut bias),
            6,
        );
        if let Some(want) = settle(status, want(head.linear())) {
            assert_eq!(weights[..want.weights.len()], *want.weights);
            assert_eq!(bias[..want.raw_bias.len()], *want.raw_bias);
            assert_eq!(want.raw_bias.len(), head.class_count());
            assert_eq!(linear.mean_length, want.mean_length);
            assert_eq!(linear.rejects == 1, want.known.is_some());
            let odds = want.known.map_or([0.0; 5], |odds| {
                [odds.slope, odds.offset, odds.margin_slope, odds.most_margin, odds.least]
            });
            let Linear { known_slope, known_offset, margin_slope, most_margin, least_odds, .. } =
                linear;
            assert_eq!([known_slope, known_offset, margin_slope, most_margin, least_odds], odds);
        }
    }
}
