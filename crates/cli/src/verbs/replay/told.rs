//! What is wrong with a file of a replay, in English and Chinese: which line or ring, and what to do about it.

use super::ground::GroundError;
use super::reader::ReadError;
use handoff_territory::{Fault, MapError, RingFault, RingRef};
use std::error::Error;
use std::path::Path;

/// A boundary file that cannot be used.
#[must_use]
pub fn ground(file: &Path, error: &GroundError) -> String {
    let zh = match error {
        GroundError::Json(source) => format!("不是 JSON（{source}）：请更正文件或重新导出"),
        GroundError::Shape(_) => {
            "缺少区域要素，或某个要素没有映射文件所指的名称属性：请核对映射文件的 boundaries 一节".to_owned()
        }
        GroundError::Map(map) => of_map(map),
    };
    both(file, &in_full(error), "边界文件", &zh)
}

/// A table that does not fit its mapping at all.
#[must_use]
pub fn table(file: &Path, error: &ReadError) -> String {
    let zh = match error {
        ReadError::Format(what) => format!("映射文件的 {what} 无法识别：请按说明书写时间格式或时差"),
        ReadError::NoColumn(name) => format!("表中没有列“{name}”：表头须包含映射文件所指的每一列"),
        ReadError::Header(_) => "表头无法读取：请以 UTF-8 保存，第一行写列名".to_owned(),
        ReadError::Delimiter => "分隔符须为一个 ASCII 字符".to_owned(),
    };
    both(file, &in_full(error), "呼叫记录", &zh)
}

fn both(file: &Path, en: &str, what_zh: &str, zh: &str) -> String {
    let file = file.display();
    format!("{file}: {en}\n  {what_zh} {file}：{zh}")
}

/// An error with everything it rests on, in one line.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn of_map(error: &MapError) -> String {
    match error {
        MapError::TooLarge { bytes } => format!("有 {bytes} 字节，超过上限：请简化边界或拆分"),
        MapError::NotGeoJson(source) => format!("不是 GeoJSON FeatureCollection（{source}）：请重新导出"),
        MapError::NoDatum => {
            "没有写明坐标基准：请加上成员 \"datum\"（WGS84、CGCS2000 或 GCJ02），或在映射文件中写明".to_owned()
        }
        MapError::UnsupportedCrs { found } => {
            format!("坐标系“{found}”不受支持：请转换为 WGS84、CGCS2000 或 GCJ02 的经纬度（度）并写明")
        }
        MapError::DatumConflict { datum, crs } => {
            format!("成员 \"datum\" 写的是 {datum}，成员 \"crs\" 写的是 {crs}：请删去错误的一个")
        }
        MapError::NoVersion => "没有版本：请加上成员 \"version\"".to_owned(),
        MapError::BadMember { place, member, .. } => format!("{place}：“{member}”的值不合要求，请更正"),
        MapError::NoAreas => "没有任何区域".to_owned(),
        MapError::TooManyAreas { areas } => format!("有 {areas} 个区域，超过上限：请拆分"),
        MapError::TooManyVertices => "顶点过多：请简化边界或拆分".to_owned(),
        MapError::TooManyRings { area } => format!("区域“{area}”的环过多：请拆分"),
        MapError::NoStation { area, key } => format!("区域“{area}”没有写明归属：请填写属性“{key}”"),
        MapError::TooManyClaimants { area } => format!("区域“{area}”的归属单位过多"),
        MapError::NoName { index, key } => format!("第 {index} 个要素没有名称：请填写属性“{key}”"),
        MapError::NotASurface { area, .. } => format!("区域“{area}”不是面：只有 Polygon 和 MultiPolygon 能划定辖区"),
        MapError::Geometry { faults, more } => {
            let first = faults.first().map(of_ring).unwrap_or_default();
            format!("{} 个环不能使用，第一个是{first}", faults.len() + more)
        }
        MapError::TooTangled { area } => format!("区域“{area}”的边过于纠缠，无法检查：请简化"),
    }
}

fn of_ring(RingFault { ring, fault }: &RingFault) -> String {
    let why = match fault {
        Fault::Empty => "是空的：请删去或补画".to_owned(),
        Fault::TooFewPoints { points } => format!("只有 {points} 个不同的点，至少要 3 个：请删去或画细"),
        Fault::NoSurface => "所有点在一条线上，不围成任何面：请删去或画细".to_owned(),
        Fault::BadPosition { vertex } => format!("第 {vertex} 个顶点不足两个数：请写经度、纬度"),
        Fault::Swapped { vertex, x, y } => format!("第 {vertex} 个顶点 ({x}, {y}) 经纬度写反了：请先写经度"),
        Fault::NotDegrees { vertex, x, y } => {
            format!("第 {vertex} 个顶点 ({x}, {y}) 不是度，看来是米：请把地图转换为经纬度")
        }
        Fault::Crosses { with, at } => {
            format!("在 ({}, {}) 附近与{}相交：请重画，使任何两条边都不相交", at.lon_deg, at.lat_deg, name(with))
        }
        Fault::RunsAlong { with, at } => {
            format!("在 ({}, {}) 附近与{}重合：请合并或分开", at.lon_deg, at.lat_deg, name(with))
        }
        Fault::HoleOutside => "是外环之外的洞：请移到它所在的部分".to_owned(),
        Fault::HoleInHole { other } => format!("是{}里面的洞：请删去内层", name(other)),
        Fault::PartInPart { other } => format!("在同一区域的{}之内：请删去，或改为洞", name(other)),
    };
    format!("{}，{why}", name(ring))
}

fn name(RingRef { area, part, ring }: &RingRef) -> String {
    format!("区域“{area}”第 {part} 部分第 {ring} 环")
}
