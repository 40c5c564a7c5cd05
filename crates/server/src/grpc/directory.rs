//! The directory: stations, posts, units, officers, agreements, catalogues, maps, drills, and whose ground a point is.

mod maps;
mod objects;

use super::Gate;
use super::obligations::page_size;
use crate::error::status;
use handoff_domain::ids::OrgId;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_proto::v1;
use handoff_proto::v1::directory_service_server::DirectoryService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Objects on one page unless asked otherwise, and at most.
const PAGE_OBJECTS: (u32, u32) = (100, 1_000);

/// Lists that differ only in what they list: name, request, response, its field, and where the objects come from.
macro_rules! directory_service {
    (orders: $( $order:ident $asked:ident ),* ; lists: $( $list:ident $request:ident -> $response:ident . $field:ident ),* $(,)?) => {
        #[tonic::async_trait]
        impl DirectoryService for Gate {
            type DownloadMapStream = ReceiverStream<Result<v1::DownloadMapResponse, Status>>;

            $( async fn $order(&self, request: Request<v1::$asked>) -> Result<Response<v1::MoveReply>, Status> {
                self.order(concat!("DirectoryService/", stringify!($order)), request).await
            } )*

            $( async fn $list(&self, request: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                let method = concat!("DirectoryService/", stringify!($list));
                let session = self.session(&request, method)?;
                let asked = request.into_inner();
                let all = objects::$field(&self.engine().directory(), &session.caller);
                let (page, next_page_token) =
                    self.paged(method, &session.caller.org, all, asked.page_size, &asked.page_token)?;
                Ok(Response::new(v1::$response { $field: page, next_page_token }))
            } )*

            async fn get_catalogue(
                &self,
                request: Request<v1::GetCatalogueRequest>,
            ) -> Result<Response<v1::Catalogue>, Status> {
                let session = self.session(&request, "DirectoryService/get_catalogue")?;
                let asked = request.into_inner();
                let all = objects::full_catalogues(&self.engine().directory(), &session.caller);
                let found = all.into_iter().find(|one| {
                    (&one.station, &one.table, &one.version) == (&asked.station, &asked.table, &asked.version)
                });
                found.map(Response::new).ok_or_else(|| status(&Refusal::new(Reason::ObjectNotFound).field("table")))
            }

            async fn publish_map(
                &self,
                request: Request<v1::PublishMapRequest>,
            ) -> Result<Response<v1::MoveReply>, Status> {
                self.publish(request).await
            }

            async fn get_map(&self, request: Request<v1::GetMapRequest>) -> Result<Response<v1::BoundaryMap>, Status> {
                let session = self.session(&request, "DirectoryService/get_map")?;
                let asked = request.into_inner().map.unwrap_or_default();
                let all = objects::maps(&self.engine().directory(), &session.caller);
                let found = all.into_iter().find(|one| one.map.as_ref() == Some(&asked));
                found.map(Response::new).ok_or_else(|| status(&Refusal::new(Reason::ObjectNotFound).field("map")))
            }

            async fn download_map(
                &self,
                request: Request<v1::DownloadMapRequest>,
            ) -> Result<Response<Self::DownloadMapStream>, Status> {
                self.download(request).await
            }

            async fn resolve_territory(
                &self,
                request: Request<v1::ResolveTerritoryRequest>,
            ) -> Result<Response<v1::ResolveTerritoryResponse>, Status> {
                self.resolve(request).await
            }
        }
    };
}

directory_service! {
    orders:
        set_station SetStationRequest,
        set_post SetPostRequest,
        set_unit SetUnitRequest,
        set_officer SetOfficerRequest,
        propose_agreement ProposeAgreementRequest,
        ratify_agreement RatifyAgreementRequest,
        set_catalogue SetCatalogueRequest,
        ratify_map RatifyMapRequest,
        open_drill OpenDrillRequest,
        join_drill JoinDrillRequest,
        end_drill EndDrillRequest;
    lists:
        list_stations ListStationsRequest -> ListStationsResponse.stations,
        list_posts ListPostsRequest -> ListPostsResponse.posts,
        list_units ListUnitsRequest -> ListUnitsResponse.units,
        list_officers ListOfficersRequest -> ListOfficersResponse.officers,
        list_agreements ListAgreementsRequest -> ListAgreementsResponse.agreements,
        list_catalogues ListCataloguesRequest -> ListCataloguesResponse.catalogues,
        list_maps ListMapsRequest -> ListMapsResponse.maps,
        list_drills ListDrillsRequest -> ListDrillsResponse.drills,
}

impl Gate {
    /// One page of a list that is all in memory, and the token of the next.
    fn paged<T>(
        &self,
        purpose: &str,
        org: &OrgId,
        all: Vec<T>,
        size: i32,
        token: &str,
    ) -> Result<(Vec<T>, String), Status> {
        let from = match token {
            "" => 0,
            token => {
                let body = self.cursors().open(purpose, org, token).map_err(|refusal| status(&refusal))?;
                let body: [u8; 8] =
                    body.try_into().map_err(|_| status(&Refusal::new(Reason::CursorInvalid).field("page_token")))?;
                usize::try_from(u64::from_be_bytes(body)).unwrap_or(usize::MAX)
            }
        };
        let size = page_size(size, PAGE_OBJECTS) as usize;
        let (total, next) = (all.len(), from.saturating_add(size));
        let page: Vec<T> = all.into_iter().skip(from).take(size).collect();
        let token =
            if next < total { self.cursors().seal(purpose, org, &(next as u64).to_be_bytes()) } else { String::new() };
        Ok((page, token))
    }
}
